import { SaddleError } from '@saddle/core'

/** Letters that mean nothing but themselves to a shell and to sbatch. */
const PLAIN = /^[\w@%+:,./=-]+$/

/** What a shell takes for an assignment where a command is expected. */
const ASSIGNMENT = /^\w*\+?=/

/** `word` so that a POSIX shell reads it back as it is: quoted by ' where it must be. */
export function shellQuote(word: string): string {
  refuse(word, /\0/, 'a zero byte')
  return PLAIN.test(word) && !ASSIGNMENT.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** A command line that a shell splits into exactly these words. */
export function shellJoin(words: readonly string[]): string {
  return words.map(shellQuote).join(' ')
}

/** The value of an `#SBATCH --option=` line: sbatch takes what stands between " as it is, but for \ and ". */
export function sbatchQuote(value: string): string {
  refuse(value, /[\0\n\r]/, 'a line break')
  return /^[\w@%+:,./=[\]-]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`
}

/** A path as Slurm takes it for --output, where % begins a replacement. */
export function outputPattern(path: string): string {
  refuse(path, /\\/, 'a backslash, which Slurm does not take in the path of an output')
  return path.replaceAll('%', '%%')
}

/** Text for a comment of one line: line breaks become spaces. */
export function commentLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ')
}

function refuse(text: string, letters: RegExp, name: string): void {
  if (!letters.test(text)) return
  throw new SaddleError(
    'CONFIG',
    `${JSON.stringify(text)} holds ${name}. Name the file or setting differently.`,
    { text },
  )
}
