import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { SaddleError } from '@saddle/core'
import { LineCounter, parseDocument, stringify } from 'yaml'
import { writeFileAtomic } from '../run/files.js'
import { absolutePaths } from './files.js'
import { applyOverrides } from './overrides.js'
import { parseConfig } from './parse.js'
import type { Config } from './schema.js'
import { type Cell, cellsOf } from './sweep.js'

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
  return reading(file, overrides, (value, directory) => ({
    config: absolutePaths(parseConfig(value), directory),
    directory,
  }))
}

/** What a configuration file describes: one run, or one for every cell of its `sweep`. */
export interface ConfigFile {
  /** `name` of the configuration. */
  readonly name: string
  readonly swept: boolean
  /** Without a sweep one cell, whose name is empty. */
  readonly cells: readonly Cell[]
}

/**
 * Reads a configuration that may have a `sweep`, as `readConfig` reads one that has none.
 *
 * @throws SaddleError CONFIG as `readConfig`, and if the sweep or one of its cells is wrong.
 */
export async function readConfigFile(
  file: string,
  overrides: readonly string[] = [],
): Promise<ConfigFile> {
  return reading(file, overrides, (value, directory) => {
    const cells = cellsOf(value, directory)
    const { name } = value as { readonly name?: unknown }
    if (cells !== null)
      return { name: typeof name === 'string' ? name : 'sweep', swept: true, cells }
    const config = absolutePaths(parseConfig(value), directory)
    return { name: config.name, swept: false, cells: [{ name: '', settings: {}, config }] }
  })
}

/** What `work` makes of the settings in a file; its errors name the file. */
async function reading<T>(
  file: string,
  overrides: readonly string[],
  work: (value: unknown, directory: string) => T,
): Promise<T> {
  const value = parseYaml(await readText(file), file)
  try {
    return work(applyOverrides(value, overrides), dirname(resolve(file)))
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
