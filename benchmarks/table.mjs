/** Prints one line of cells: the first left-aligned, the rest right-aligned, at the widths given. */
export function line(cells, widths) {
  const padded = cells.map((cell, i) =>
    i === 0 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i]),
  )
  console.log(padded.join('  ').trimEnd())
}

/** Seconds in the unit in which they read best. */
export function time(seconds) {
  return seconds < 1 ? `${(1000 * seconds).toFixed(1)} ms` : `${seconds.toFixed(2)} s`
}

export function ratio(value) {
  return `${value.toFixed(2)}×`
}
