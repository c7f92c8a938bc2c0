import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder that is gone when the scope ends. */
export function temporaryFolder() {
  const path = mkdtempSync(join(tmpdir(), 'saddle-bench-'))
  const remove = () => rmSync(path, { recursive: true, force: true })
  return { path, remove }
}
