import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Holds every Markdown file to the tree, lists what fails, and exits with 1 if anything does:
 *
 *   [text](path#heading)            the file exists, and has the heading
 *   [`name`](path.ts)               the file contains the name; every part of a dotted one
 *   [file](x.test.ts) test: "…"     the test file named last on the line has a test of that sentence
 *
 * A title that is a template, such as `${kind}: stays inside`, stands for every sentence it can make.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)))

const SKIPPED = new Set(['node_modules', 'dist', 'runs', 'api'])
const LINK = /\[((?:`[^`]*`|[^[\]`])*)\]\(([^()\s]+)\)|\b(?:src|href)="([^"]+)"/g
const CLAIM = new RegExp(`${LINK.source}|test: "([^"]+)"`, 'g')
const NAME = /^`([A-Za-z_$][\w$]*(?:\.[\w$]+)*)`$/

const failures = []
let checked = 0

for (const file of markdownFiles(root)) checkFile(file)
if (failures.length > 0) {
  console.error(`The documentation says what does not hold:\n${failures.join('\n')}`)
  process.exitCode = 1
} else console.log(`${checked} links, names and test sentences of the documentation hold`)

function checkFile(file) {
  let fenced = false
  for (const [index, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    if (/^\s*(```|~~~)/.test(line)) fenced = !fenced
    if (fenced) continue
    const complain = what => failures.push(`${relative(root, file)}:${index + 1}  ${what}`)
    let testFile = null
    for (const [, text, inline, attribute, sentence] of line.matchAll(CLAIM)) {
      checked++
      if (sentence !== undefined) checkSentence(testFile, plain(sentence), complain)
      else {
        const target = checkLink(file, inline ?? attribute, text, complain)
        if (target?.endsWith('.test.ts')) testFile = target
      }
    }
  }
}

/** The file a relative link leads to; null for other links, and after a complaint. */
function checkLink(from, link, text, complain) {
  if (/^[a-z][a-z+.-]*:|^\/\//i.test(link)) return null
  const [path, heading] = decodeURI(link).split('#')
  const target =
    path === '' ? from : path.startsWith('/') ? join(root, path) : join(dirname(from), path)
  if (!existsSync(target)) {
    complain(`no such file: ${link}`)
    return null
  }
  if (heading && target.endsWith('.md') && !headingsOf(target).includes(heading))
    complain(`no such heading: ${link}`)
  const name = NAME.exec(text ?? '')?.[1]
  if (name === undefined || name === basename(target) || !/\.[cm]?[jt]s$/.test(target))
    return target
  const words = new Set(readFileSync(target, 'utf8').match(/[\w$]+/g))
  if (!name.split('.').every(part => words.has(part))) complain(`${path} does not contain ${name}`)
  return target
}

function checkSentence(testFile, sentence, complain) {
  if (testFile === null) complain(`no test file before the sentence "${sentence}"`)
  else if (!titlesOf(testFile).some(title => title.test(sentence)))
    complain(`${relative(root, testFile)} has no test "${sentence}"`)
}

/** Titles of the tests in a file, as patterns. */
function titlesOf(file) {
  const titles = readFileSync(file, 'utf8').matchAll(
    /\bt\.test\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g,
  )
  return [...titles].map(([, quote, title]) => {
    const parts = (quote === '`' ? title.split(/\$\{[^}]*\}/) : [title]).map(unescaped)
    return new RegExp(`^${parts.map(literal).join('.+')}$`)
  })
}

/** Headings of a Markdown file as GitHub names them in links. */
function headingsOf(file) {
  const seen = new Map()
  return [...readFileSync(file, 'utf8').matchAll(/^#+ +(.+)$/gm)].map(([, heading]) => {
    const kept = heading.toLowerCase().replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
    const slug = kept.replaceAll(' ', '-')
    const times = seen.get(slug) ?? 0
    seen.set(slug, times + 1)
    return times === 0 ? slug : `${slug}-${times}`
  })
}

function markdownFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const { name } = entry
    if (name.startsWith('.') || SKIPPED.has(name)) return []
    if (entry.isDirectory()) return markdownFiles(join(folder, name))
    return name.endsWith('.md') ? [join(folder, name)] : []
  })
}

/** Markdown's escapes undone: `\|` in a table is `|`. */
function plain(markdown) {
  return markdown.replace(/\\([\\|*_<>`])/g, '$1')
}

function unescaped(source) {
  return source.replace(/\\(.)/g, '$1')
}

function literal(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
