import { crossCheck, INITS } from './checks.js'
import { isMapping } from './json-schema.js'
import { configError, problemsOf, show } from './problems.js'
import { type Config, configSchema } from './schema.js'

/**
 * Checks a configuration and fills in its defaults, those that depend on the network's family too. The result
 * parses to itself.
 *
 * @throws SaddleError CONFIG that lists every problem with its path, what was expected and what was got; unknown
 *   keys with the nearest known one. `fields.problems` has them as values.
 */
export function parseConfig(value: unknown): Config {
  if (isMapping(value) && value.sweep !== undefined)
    throw configError([
      {
        path: 'sweep',
        expected: 'one run here; `saddle train` and `saddle submit` take a sweep',
        got: show(value.sweep),
      },
    ])
  const parsed = configSchema.safeParse(value)
  if (!parsed.success) throw configError(problemsOf(parsed.error.issues, value))
  const config = parsed.data
  const problems = crossCheck(config)
  if (problems.length > 0) throw configError(problems)
  const { network } = config
  return { ...config, network: { ...network, init: network.init ?? INITS[network.family][0] } }
}
