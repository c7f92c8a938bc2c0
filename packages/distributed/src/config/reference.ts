import { type Setting, settings } from './settings.js'

/** The reference page of all settings as Markdown, generated from the schema. */
export function referencePage(): string {
  const all = settings()
  const sections = all.filter(({ path }) => !path.includes('.'))
  return [
    '# Configuration',
    '',
    '<!-- Generated from the schema by scripts/schema.mjs, which every build runs: edit the schema. -->',
    '',
    'A run is described by one YAML file. Only the settings without a default must be given; unknown ones are',
    'refused. Any setting can be given on the command line too: `--set descent.steps=10`. Relative paths start at',
    'the folder of the file. For completion in an editor, put this on the first line:',
    '',
    '    # yaml-language-server: $schema=PATH-TO-SADDLE/packages/distributed/saddle.schema.json',
    '',
    ...sections.flatMap(section => {
      const rows = all.filter(({ path }) => path.startsWith(`${section.path}.`))
      return rows.length === 0 ? [] : sectionOf(section, rows)
    }),
    '## The rest',
    '',
    ...tableOf(sections.filter(({ path }) => !all.some(s => s.path.startsWith(`${path}.`)))),
  ].join('\n')
}

function sectionOf(section: Setting, rows: readonly Setting[]): string[] {
  const what = section.description === '' ? [] : [`${capital(section.description)}.`, '']
  const whole = defaultOf(section)
  const left = whole === 'required' || whole === '`{}`' ? [] : [`Left out: ${whole}.`, '']
  return [`## ${section.path}`, '', ...what, ...left, ...tableOf(rows)]
}

function tableOf(rows: readonly Setting[]): string[] {
  return [
    '| setting | type | default | meaning |',
    '|---|---|---|---|',
    ...rows.map(
      row =>
        `| ${[nameOf(row), row.type, defaultOf(row), row.description].map(cell).join(' | ')} |`,
    ),
    '',
  ]
}

function nameOf({ path, kinds }: Setting): string {
  return `\`${path}\`${kinds.length === 0 ? '' : ` (${kinds.join(', ')})`}`
}

function defaultOf({ required, default: value }: Setting): string {
  if (required) return 'required'
  return value === undefined ? '' : `\`${JSON.stringify(value)}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
