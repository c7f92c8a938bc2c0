import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { jsonSchema } from '../packages/distributed/dist/config/json-schema.js'
import { referencePage } from '../packages/distributed/dist/config/reference.js'

/** Writes what the configuration's schema says for editors and for people; both files are committed. */
const root = dirname(dirname(fileURLToPath(import.meta.url)))

write('packages/distributed/saddle.schema.json', `${JSON.stringify(jsonSchema(), null, 2)}\n`)
write('docs/configuration.md', referencePage())

/** Leaves an equal file alone, so that a build changes no time stamps. */
function write(name, text) {
  const file = join(root, name)
  mkdirSync(dirname(file), { recursive: true })
  if (read(file) !== text) writeFileSync(file, text)
}

function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}
