import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { SaddleError } from '@saddle/core'
import { LineCounter, parseDocument, stringify } from 'yaml'
import { writeFileAtomic } from '../run/files.js'
import { absolutePaths } from './files.js'
import { applyOverrides } from './overrides.js'
import { parseConfig } from './parse.js'
import type { Config } from './schema.js'

/**
 * Reads a configuration from a YAML file and applies `path=value` settings over it. Relative paths in it, those of
 * the settings too, start at the file's folder and come back absolute.
 *
 * @returns the resolved configuration, and the absolute path of the file's folder.
 * @throws SaddleError CONFIG if the file is missing, is not YAML (with line and column), or is no configuration.
 */
export async function readConfig(
  file: string,
  overrides: readonly string[] = [],
): Promise<{ config: Config; directory: string }> {
  const value = parseYaml(await readText(file), file)
  const directory = dirname(resolve(file))
  try {
    const config = parseConfig(applyOverrides(value, overrides))
    return { config: absolutePaths(config, directory), directory }
  } catch (error) {
    if (!(error instanceof SaddleError)) throw error
    throw new SaddleError(error.code, `${file}: ${error.message}`, { ...error.fields, file })
  }
}

/** Writes a configuration as YAML that `readConfig` reads back to an equal one; whole or not at all. */
export async function writeConfig(config: Config, file: string): Promise<void> {
  const text = stringify(config, { lineWidth: 100, flowCollectionPadding: false })
  await writeFileAtomic(
    file,
    `# A Saddle run as resolved: every setting, defaults included.\n${text}`,
  )
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const reason =
      code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : message
    throw new SaddleError(
      'CONFIG',
      `Configuration ${file} cannot be read: ${reason}. Give the path of a YAML file.`,
      { file },
    )
  }
}

function parseYaml(text: string, file: string): unknown {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: false })
  const error = document.errors[0]
  if (error === undefined) return document.toJS()
  const { line, col } = lineCounter.linePos(error.pos[0])
  throw new SaddleError(
    'CONFIG',
    `Configuration ${file} is not YAML: line ${line}, column ${col}: ${error.message}. Correct that line.`,
    { file, line, column: col },
  )
}
