import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A folder with the fake libraries, and one for what the backend caches; `remove` when the tests are over. */
export interface FakeCuda {
  readonly folder: string
  /** What `FAKE_CUDA_LOG` should name. */
  readonly log: string
  remove(): void
}

/** Why there can't be one on this machine; false if there can. */
export const noCompiler: string | false =
  spawnSync('g++', ['--version']).status === 0
    ? false
    : 'g++, which compiles the fake CUDA libraries'

/** Compiles the fake: one object under the names of the three libraries. `flags`: what to leave out of it. */
export function buildFake(...flags: string[]): FakeCuda {
  const folder = mkdtempSync(join(tmpdir(), 'fake-cuda-'))
  const source = fileURLToPath(new URL('cuda.cpp', import.meta.url))
  const driver = join(folder, 'libcuda.so.1')
  const args = ['-std=c++17', '-O1', '-shared', '-fPIC', ...flags, '-o', driver, source, '-ldl']
  const { status, stderr } = spawnSync('g++', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the fake CUDA libraries did not compile: ${stderr}`)
  for (const name of ['libcublas.so.12', 'libnvrtc.so.12']) symlinkSync(driver, join(folder, name))
  return {
    folder,
    log: join(folder, 'log'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
