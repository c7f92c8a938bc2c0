import { constants } from 'node:buffer'
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SaddleError, withRoomyStacks } from '@saddle/core'
import koffi from 'koffi'

/** Where threads of this process find the memory. */
export interface MemoryAddress {
  readonly address: bigint
  readonly bytes: number
}

/**
 * Memory that processes share: an unnamed file of the system, kept in RAM, mapped by each of them. It is gone when
 * the last process that holds it ends, however it ends.
 *
 * On Linux it comes from memfd_create and is bounded by the machine's memory, not by the size of /dev/shm; on macOS
 * it is an unlinked temporary file. Pages nobody has written to take no room.
 */
export class MappedMemory implements Disposable {
  readonly address: bigint
  readonly bytes: number
  /** Open in this process, to be handed to a child; -1 in a child, which has its own. */
  readonly fd: number
  #next = 0

  private constructor(fd: number, bytes: number) {
    this.fd = fd
    this.bytes = bytes
    this.address = map(fd, bytes)
  }

  /** @throws SaddleError BACKEND where the system can't do it. */
  static create(bytes: number): MappedMemory {
    const fd = unnamedFile()
    ftruncateSync(fd, bytes)
    return new MappedMemory(fd, bytes)
  }

  /** The memory behind a file descriptor that a parent process handed down. */
  static inherited(fd: number, bytes: number): MappedMemory {
    return new MappedMemory(fd, bytes)
  }

  /** The next `bytes` of it, zero until written to; and where they begin. */
  take(bytes: number): { buffer: ArrayBuffer; offset: number } {
    const offset = this.#next
    this.#next += aligned(bytes)
    return { buffer: view(this, offset, bytes), offset }
  }

  /** Unmaps it: no array in it may be touched afterwards, by any thread of this process. */
  [Symbol.dispose](): void {
    system().unmap(this.address, this.bytes)
    closeSync(this.fd)
  }
}

/** Bytes that `take` uses up for so many: whole lines of a processor's cache. */
export function aligned(bytes: number): number {
  return Math.ceil(bytes / 64) * 64
}

/** A piece of the memory, in any thread that may see `address`. */
export function view({ address }: MemoryAddress, offset: number, bytes: number): ArrayBuffer {
  if (bytes > constants.MAX_LENGTH)
    throw new SaddleError(
      'RANGE',
      `A matrix of ${(bytes / 2 ** 30).toFixed(1)} GiB can't be shared with another process by Node ${process.version}, ` +
        `whose limit is ${constants.MAX_LENGTH / 2 ** 30} GiB. Use a newer Node, devices that live in a thread, or a ` +
        'smaller network.width.',
      { bytes, limit: constants.MAX_LENGTH },
    )
  return koffi.view(address + BigInt(offset), bytes)
}

const READ_WRITE = 3
const SHARED = 1
const FAILED = 0xffff_ffff_ffff_ffffn

function map(fd: number, bytes: number): bigint {
  const address = system().map(null, bytes, READ_WRITE, SHARED, fd, 0)
  if (address === FAILED || address === -1n)
    throw new SaddleError(
      'BACKEND',
      `${(bytes / 2 ** 30).toFixed(1)} GiB could not be mapped for the processes of this run: is the address space limited (ulimit -v)?`,
      { bytes },
    )
  return address
}

function unnamedFile(): number {
  if (process.platform === 'linux') {
    const CLOSE_ON_EXEC = 1
    const fd = system().memfd('saddle', CLOSE_ON_EXEC)
    if (fd >= 0) return fd
  }
  const folder = mkdtempSync(join(tmpdir(), 'saddle-'))
  const fd = openSync(join(folder, 'memory'), 'w+')
  rmSync(folder, { recursive: true })
  return fd
}

interface SystemCalls {
  map(at: null, bytes: number, access: number, flags: number, fd: number, from: number): bigint
  unmap(address: bigint, bytes: number): number
  memfd(name: string, flags: number): number
}

let calls: SystemCalls | undefined

function system(): SystemCalls {
  if (calls !== undefined) return calls
  if (process.platform === 'win32')
    throw new SaddleError(
      'BACKEND',
      'Devices that live in a process of their own need Linux or macOS. Use blas, wasm or cuda on Windows.',
    )
  withRoomyStacks(koffi)
  const libc = koffi.load(null)
  calls = {
    map: libc.func('void *mmap(void *, size_t, int, int, int, int64_t)'),
    unmap: libc.func('int munmap(void *, size_t)'),
    memfd: (name, flags) => libc.func('int memfd_create(const char *, uint32_t)')(name, flags),
  }
  return calls
}
