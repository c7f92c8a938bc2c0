/** Numbers as files hold them: single bytes in place, 32-bit floats, and everything else widened to float64. */
export type Numbers = Uint8Array | Float32Array | Float64Array

/** Kinds of array elements, named as NumPy does: b boolean, u unsigned, i signed, f float; then bytes an element. */
export type ElementKind = 'b1' | 'u1' | 'i1' | 'u2' | 'i2' | 'u4' | 'i4' | 'u8' | 'i8' | 'f4' | 'f8'

const readers: Readonly<
  Record<ElementKind, (view: DataView, at: number, little: boolean) => number>
> = {
  b1: (view, at) => view.getUint8(at),
  u1: (view, at) => view.getUint8(at),
  i1: (view, at) => view.getInt8(at),
  u2: (view, at, little) => view.getUint16(at, little),
  i2: (view, at, little) => view.getInt16(at, little),
  u4: (view, at, little) => view.getUint32(at, little),
  i4: (view, at, little) => view.getInt32(at, little),
  u8: (view, at, little) => Number(view.getBigUint64(at, little)),
  i8: (view, at, little) => Number(view.getBigInt64(at, little)),
  f4: (view, at, little) => view.getFloat32(at, little),
  f8: (view, at, little) => view.getFloat64(at, little),
}

export const elementKinds = Object.keys(readers) as readonly ElementKind[]

export function elementBytes(kind: ElementKind): number {
  return Number(kind.slice(1))
}

/** The numbers in `bytes`, whose length must be a multiple of the element's. Bytes are not copied, all else is. */
export function readElements(bytes: Uint8Array, kind: ElementKind, littleEndian: boolean): Numbers {
  const { buffer, byteOffset, byteLength } = bytes
  if (kind === 'u1' || kind === 'b1') return new Uint8Array(buffer, byteOffset, byteLength)
  const size = elementBytes(kind)
  const read = readers[kind]
  const view = new DataView(buffer, byteOffset, byteLength)
  const count = byteLength / size
  const out = kind === 'f4' ? new Float32Array(count) : new Float64Array(count)
  for (let i = 0; i < count; i++) out[i] = read(view, i * size, littleEndian)
  return out
}
