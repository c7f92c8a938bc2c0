import {
  curveOf,
  drawDistance,
  drawLoss,
  drawProjection,
  resultsNote,
  resultsTable,
} from '@saddle/cli'
import type { RunSummary } from '@saddle/distributed'
import t from 'tap'
import { identity, records, summary } from '../fixtures/runs.js'
import { xmlProblem } from '../fixtures/xml.js'

const baseline = curveOf('baseline', summary({ attack: identity, projectedShare: 0 }), records(0.5))
const main = curveOf('main', summary(), records())
const pictures = {
  loss: drawLoss([baseline, main]),
  distance: drawDistance([baseline, main]),
  projection: drawProjection([baseline, main]),
}

t.test('the XML check finds what is wrong', async t => {
  t.equal(xmlProblem('<svg a="1"><g/></svg>'), null)
  t.type(xmlProblem('<svg a="f "x" g"></svg>'), 'string')
  t.type(xmlProblem('<svg><g></svg>'), 'string')
  t.type(xmlProblem('<svg>a & b</svg>'), 'string')
})

for (const [name, svg] of Object.entries(pictures))
  t.test(`the picture of ${name} is well-formed and names both trainings`, async t => {
    t.equal(xmlProblem(svg), null)
    t.match(svg, /^<svg width="860" height="\d+" xmlns="http:\/\/www\.w3\.org\/2000\/svg"/)
    for (const text of ['trained with identity', 'trained with pgd-5', 'step t'])
      t.ok(svg.includes(`>${text}</text>`), text)
    t.notMatch(svg, /NaN|Infinity|undefined|<script|href="http|<animate/)
  })

t.test(
  'the picture of the loss has its symbols, a logarithmic axis and the final figures',
  async t => {
    t.ok(pictures.loss.includes('>L_A(W_t)</text>'))
    t.ok(pictures.loss.includes('>accuracy</text>'))
    t.ok(pictures.loss.includes('under pgd-20'))
    // Each decade is a tick, and only a logarithmic axis has 0.01, 0.1 and 1 as neighbours.
    for (const tick of ['>0.01<', '>0.1<', '>1<']) t.ok(pictures.loss.includes(tick), tick)
    const flat = records().map(r => ({ ...r, loss: 0.5 }))
    t.notOk(drawLoss([curveOf('main', summary(), flat)]).includes('>0.01<'), 'linear where apt')
  },
)

t.test('the picture of the distance draws R and each layer', async t => {
  t.ok(pictures.distance.includes('>R = 6</text>'))
  t.match(pictures.distance, /stroke-dasharray/)
  const deep = curveOf('main', summary(), records(1, ['layers.1', 'layers.2+ & layers.2-']))
  const svg = drawDistance([deep])
  t.equal(xmlProblem(svg), null)
  for (const h of [1, 2]) t.ok(svg.includes(`>h = ${h}</text>`))
  const free = curveOf('main', summary({ radius: null }), records())
  t.notMatch(drawDistance([free]), /R =/)
})

t.test('the picture of the projection says how often it acted, or that there is no R', async t => {
  t.ok(pictures.projection.includes('acted on 25.0 % of the steps'))
  const free = curveOf('main', summary({ radius: null, projectedShare: 0 }), records(0))
  t.match(drawProjection([free]), /R is not set/)
})

t.test('losses that are zero leave a gap instead of breaking the axis', async t => {
  const some = records().map(r => ({ ...r, loss: r.step < 20 ? r.loss : 0 }))
  const svg = drawLoss([curveOf('main', summary(), some)])
  t.equal(xmlProblem(svg), null)
  t.notMatch(svg, /NaN|Infinity/)
})

t.test('the table sets both trainings side by side, within 80 columns', async t => {
  const table = resultsTable({
    status: 'done',
    dir: 'runs/x',
    main: summary(),
    baseline: summary({ attack: identity, worstDistance: 3.1234, projectedShare: 0 }),
  })
  const lines = table.split('\n')
  t.ok(
    lines.every(line => [...line].length <= 80),
    table,
  )
  const cells = lines.map(line => line.split(/\s{2,}/))
  t.same(
    cells.find(c => c[0] === 'identity'),
    ['identity', 'train', '0.0507', '95.7 %', '0.2013', '68.4 %', '3.123 of 6', '0.0 %'],
  )
  t.ok(table.indexOf('identity') < table.indexOf('pgd-5'))
  t.match(table, /pgd-5 +train .* 6\.000 of 6 +25\.0 %/)
  t.equal(lines.filter(line => /test +0\.1000 +89\.8 % +0\.3100 +54\.5 %/.test(line)).length, 2)
})

t.test('the table does without what is not there', async t => {
  const result = {
    status: 'stopped' as const,
    dir: 'runs/x',
    baseline: null,
    main: summary({ train: null, test: null, radius: null }),
  }
  const table = resultsTable(result)
  t.match(table, /pgd-5 +train +– +– +– +– +6\.000 +none/)
  t.match(resultsNote(result), /Stopped/)
})

t.test('the note says what measured the figures and what they do not show', async t => {
  const note = resultsNote({ status: 'done', dir: 'x', main: summary(), baseline: null })
  t.match(note, /pgd-20, on 512 training and 256 test examples/)
  t.match(
    note,
    /pgd-5 took 6 forward–backward passes an example and step, 122,880 in all, and 20,480 forward ones/,
  )
  const cost = { examples: 100, passes: 250, forwards: 0, firstLayer: 80 }
  const yopo = summary({ attack: { kind: 'yopo', passes: 2, inner: 3, stepSize: 0.25 }, cost })
  t.match(
    resultsNote({ status: 'done', dir: 'x', main: yopo, baseline: null }),
    /yopo-2-3 took 2\.50 forward–backward passes .* 250 in all, and 80 through the first layer/,
  )
  t.match(note, /upper bounds/)
  t.match(note, /allows 40\.3 % errors at most/)
  t.notMatch(note, /float32/)
  const rounded = summary({ precision: 'bf16' })
  const { precision: _, ...old } = rounded
  const noteOf = (main: RunSummary) =>
    resultsNote({ status: 'done', dir: 'x', main, baseline: null })
  t.match(noteOf(rounded), /Trained with attacks in bf16; every figure is of float32/)
  t.equal(noteOf(old as RunSummary), note, 'a summary from before there was a choice')
})
