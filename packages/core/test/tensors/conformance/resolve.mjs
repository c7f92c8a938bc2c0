import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/**
 * Lets Node load what TensorFlow.js ships for bundlers: its modules import each other without file extensions, and
 * its tests must share one copy of the core with the backend under test.
 */
const MODULES = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-cpu']

export async function resolve(specifier, context, next) {
  const inside = context.parentURL?.includes('/@tensorflow/tfjs-') ?? false
  if (inside && specifier.startsWith('.')) {
    const path = join(dirname(fileURLToPath(context.parentURL)), specifier)
    const file = [path, `${path}.js`, join(path, 'index.js')].find(
      candidate => candidate.endsWith('.js') && existsSync(candidate),
    )
    if (file !== undefined) return { url: pathToFileURL(file).href, shortCircuit: true }
  }
  if (MODULES.includes(specifier)) {
    const { url } = await next(`${specifier}/package.json`, context)
    return { url: new URL('dist/index.js', url).href, shortCircuit: true }
  }
  const deep = MODULES.find(name => specifier.startsWith(`${name}/dist/`))
  if (deep !== undefined && !specifier.endsWith('.js')) return next(`${specifier}.js`, context)
  return next(specifier, context)
}

/**
 * The same packages don't say that their `.js` files are modules, and import all of seedrandom's properties by name,
 * which a bundler finds and Node does not.
 */
export async function load(url, context, next) {
  if (url.endsWith('/seedrandom/index.js')) return { ...SEEDRANDOM(url), shortCircuit: true }
  const ours = /\/@tensorflow\/tfjs-(core|backend-cpu)\/dist\//.test(url)
  return next(url, ours ? { ...context, format: 'module' } : context)
}

const SEEDRANDOM = url => ({
  format: 'module',
  source: `import { createRequire } from 'node:module'
    const seedrandom = createRequire('${url}')('./index.js')
    export const { alea, xor128, tychei, xorwow, xor4096, xorshift7 } = seedrandom
    export default seedrandom`,
})
