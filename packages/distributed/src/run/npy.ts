import { endianness } from 'node:os'
import { writeAtomic } from './files.js'

/**
 * Writes a float32 array as a NumPy .npy file, format 1.0: magic, version, header length, header padded to a multiple of
 * 64 with a newline at its end, then the numbers, row-major.
 *
 * @throws SaddleError DISK if it cannot be written; a file of that name is then as it was.
 */
export async function writeNpy(
  file: string,
  shape: readonly number[],
  data: Float32Array,
): Promise<void> {
  const order = endianness() === 'LE' ? '<' : '>'
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const text = `{'descr': '${order}f4', 'fortran_order': False, 'shape': (${sizes}), }`
  const length = Math.ceil((10 + text.length + 1) / 64) * 64
  const header = Buffer.alloc(length, ' ')
  header.write('\x93NUMPY\x01\x00', 0, 'latin1')
  header.writeUInt16LE(length - 10, 8)
  header.write(text, 10, 'latin1')
  header[length - 1] = 10
  await writeAtomic(file, async handle => {
    await handle.writeFile(header)
    await handle.writeFile(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
  })
}
