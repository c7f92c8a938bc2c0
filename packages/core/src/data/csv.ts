import { parse } from 'csv-parse/sync'
import { SaddleError } from '../errors.js'
import { classNames, type Examples } from './examples.js'
import { type DataFile, readBytes } from './file.js'

/** Where the label is and whether the first line names the columns. */
interface CsvLayout {
  /** 0-based; default: the last column. */
  readonly labelColumn?: number | undefined
  readonly header?: boolean | undefined
}

/**
 * Examples from comma-separated values, one a line: a label, a whole number or a name, and numbers. Empty lines are
 * skipped; fields may be quoted. All is held in memory.
 *
 * @throws SaddleError DATA, naming file, line and column, at a field that is no number or a line of another length.
 */
export async function readCsv(file: DataFile, layout: CsvLayout): Promise<Examples> {
  const rows: number[][] = []
  const labels: string[] = []
  let columns: string[] | undefined

  function take(fields: string[], line: number): void {
    if (columns === undefined) {
      columns = fields.map((name, i) => (layout.header ? `${i} ("${name}")` : String(i)))
      if (layout.header) return
    }
    if (fields.length !== columns.length)
      throw damaged(file, line, `expected ${columns.length} columns, got ${fields.length}`)
    const labelColumn = layout.labelColumn ?? columns.length - 1
    if (!(labelColumn >= 0 && labelColumn < columns.length) || columns.length < 2)
      throw new SaddleError(
        'CONFIG',
        `${file.name} has ${columns.length} columns, numbered from 0; expected the label in column ${labelColumn} and at least one column of inputs. Set data.source.labelColumn.`,
        { file: file.name, columns: columns.length, labelColumn },
      )
    const row: number[] = []
    for (let i = 0; i < fields.length; i++) {
      if (i === labelColumn) continue
      const value = fields[i] === '' ? Number.NaN : Number(fields[i])
      if (!Number.isFinite(value))
        throw damaged(
          file,
          line,
          `expected a finite number in column ${columns[i]}, got "${fields[i]}"${hint(rows.length, layout)}`,
        )
      row.push(value)
    }
    const label = fields[labelColumn]!
    if (label === '')
      throw damaged(file, line, `the label in column ${columns[labelColumn]} is empty`)
    rows.push(row)
    labels.push(label)
  }

  const bytes = await readBytes(file)
  try {
    parse(bytes, {
      bom: true,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
      on_record: (fields: string[], { lines }) => {
        take(fields, lines)
        return null
      },
    })
  } catch (error) {
    if (error instanceof SaddleError) throw error
    throw new SaddleError(
      'DATA',
      `${file.name} is not well-formed CSV: ${(error as Error).message}.`,
      { file: file.name },
    )
  }
  if (rows.length === 0)
    throw new SaddleError(
      'DATA',
      `${file.name} holds no examples: expected one a line, got ${bytes.length} bytes without any.`,
      { file: file.name, bytes: bytes.length },
    )
  const dimension = rows[0]!.length
  const values = new Float64Array(rows.length * dimension)
  for (let i = 0; i < rows.length; i++) values.set(rows[i]!, i * dimension)
  const numeric = labels.every(label => Number.isFinite(Number(label)))
  return {
    origin: file.name,
    count: rows.length,
    shape: [dimension],
    values,
    scale: 1,
    labels: numeric ? classNames(labels.map(Number), file.name) : labels,
  }
}

function hint(rowsBefore: number, { header }: CsvLayout): string {
  return rowsBefore === 0 && !header
    ? '; if that line names the columns, set data.source.header to true'
    : ''
}

function damaged(file: DataFile, line: number, what: string): SaddleError {
  return new SaddleError('DATA', `${file.name}, line ${line}: ${what}. Correct the line.`, {
    file: file.name,
    line,
  })
}
