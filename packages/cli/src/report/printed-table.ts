import Table from 'cli-table3'

/** Rules above and below, two spaces between columns: the style of a printed table. */
const PRINTED = {
  top: '─',
  'top-mid': '──',
  'top-left': '',
  'top-right': '',
  bottom: '─',
  'bottom-mid': '──',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '─',
  'mid-mid': '──',
  right: '',
  'right-mid': '',
  middle: '  ',
} as const

/** A table of `rows` under `head`. */
export function printedTable(
  head: readonly string[],
  colAligns: readonly ('left' | 'right')[],
  rows: readonly (readonly string[])[],
): string {
  const table = new Table({
    chars: PRINTED,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns: [...colAligns],
    head: [...head],
  })
  for (const row of rows) table.push([...row])
  return table.toString()
}
