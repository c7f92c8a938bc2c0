import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SaddleError } from '@saddle/core'

/** A script or manifest with places like {{run}} to fill, and where it came from. */
export interface Template {
  readonly text: string
  readonly origin: string
}

const OWN = fileURLToPath(new URL('../../templates/', import.meta.url))

/**
 * The template `name`, such as `slurm.sh`: `file` if it is given, else the first there is of $SADDLE_TEMPLATES/NAME (a
 * site's), ~/.config/saddle/templates/NAME (a user's) and Saddle's own.
 *
 * @throws SaddleError CONFIG if it cannot be read.
 */
export function findTemplate(name: string, file?: string): Template {
  const { SADDLE_TEMPLATES, XDG_CONFIG_HOME } = process.env
  const folders = [
    ...(SADDLE_TEMPLATES === undefined || SADDLE_TEMPLATES === '' ? [] : [SADDLE_TEMPLATES]),
    join(XDG_CONFIG_HOME || join(homedir(), '.config'), 'saddle/templates'),
  ]
  const origin =
    file ?? folders.map(folder => join(folder, name)).find(existsSync) ?? join(OWN, name)
  try {
    return { text: readFileSync(origin, 'utf8'), origin }
  } catch (error) {
    throw new SaddleError(
      'CONFIG',
      `Template ${origin} cannot be read (${(error as Error).message}). Start from a copy of ${join(OWN, name)}.`,
      { file: origin },
    )
  }
}

/**
 * The template with every {{place}} filled.
 *
 * @throws SaddleError CONFIG if a place is unknown, with the places there are.
 */
export function fillTemplate(
  { text, origin }: Template,
  values: Readonly<Record<string, string>>,
): string {
  return text.replace(/\{\{\s*([^{}]*?)\s*\}\}/g, (_whole, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined
    if (value !== undefined) return value
    throw new SaddleError(
      'CONFIG',
      `Template ${origin}: there is no place {{${name}}}. Known: ${Object.keys(values)
        .map(known => `{{${known}}}`)
        .join(', ')}.`,
      { template: origin, place: name },
    )
  })
}
