import { access, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SaddleError } from '@saddle/core'
import { configHash } from '../config/hash.js'
import { readConfig, writeConfig } from '../config/read.js'
import type { Config } from '../config/schema.js'
import { diskError } from './files.js'

export { writeJsonAtomic } from './files.js'

const CONFIG = 'config.yaml'

/**
 * Begins a run folder: creates it if need be, and writes the configuration as resolved. Make paths in it absolute
 * first (`absolutePaths`), or it can only be resumed from the same folder.
 *
 * @throws SaddleError CONFIG if a run is there already; DISK if the folder cannot be written
 */
export async function createRunFolder(dir: string, config: Config): Promise<void> {
  await refuseExistingRun(dir)
  try {
    await mkdir(dir, { recursive: true })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' || code === 'ENOTDIR')
      throw new SaddleError(
        'CONFIG',
        `${dir} cannot be a run folder: it, or a folder on the way to it, is a file. Choose another with --out.`,
        { dir },
      )
    throw diskError(error, dir, 'Choose another folder with --out.')
  }
  await writeConfig(config, join(dir, CONFIG))
}

/** @throws SaddleError CONFIG if `dir` holds a run. */
export async function refuseExistingRun(dir: string): Promise<void> {
  if (!(await isThere(join(dir, CONFIG)))) return
  throw new SaddleError(
    'CONFIG',
    `${dir} holds a run already. Go on with it by \`saddle resume ${dir}\`, or choose another folder with --out.`,
    { dir },
  )
}

/**
 * The configuration of a run folder, and its hash as checkpoints have it.
 *
 * @throws SaddleError CONFIG if `dir` is no run folder, or its config.yaml was changed to something that is wrong
 */
export async function openRunFolder(
  dir: string,
): Promise<{ readonly config: Config; readonly configHash: string }> {
  const file = join(dir, CONFIG)
  if (!(await isThere(file)))
    throw new SaddleError(
      'CONFIG',
      `${dir} is no run folder: it has no ${CONFIG}. Give the folder that \`saddle train\` named when it began.`,
      { dir },
    )
  const { config } = await readConfig(file)
  return { config, configHash: configHash(config) }
}

async function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}
