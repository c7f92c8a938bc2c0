import { median } from '../measure.mjs'

/**
 * Times contestants in turn, round by round: a busy machine then slows all alike. The first round is thrown away.
 * There are as many rounds as fit `seconds`, at least one and at most `rounds`.
 *
 * @param contestants name → async function that answers { seconds, cpuSeconds, … }.
 * @returns name → { seconds: median, cores: median of busy cores, rounds: all seconds, answers }; or { missing } where
 * it failed.
 */
export async function interleaveRounds(contestants, { rounds, seconds }) {
  const answers = Object.fromEntries(Object.keys(contestants).map(name => [name, []]))
  const missing = {}
  const began = performance.now()
  let wanted = rounds
  for (let round = 0; round <= wanted; round++) {
    for (const [name, work] of Object.entries(contestants)) {
      if (name in missing) continue
      try {
        answers[name].push(await work())
      } catch (error) {
        missing[name] = error.message
      }
    }
    const each = (performance.now() - began) / 1000 / (round + 1)
    wanted = Math.min(rounds, Math.max(1, Math.floor(seconds / each)))
  }
  return Object.fromEntries(
    Object.keys(contestants).map(name => [
      name,
      name in missing ? { missing: missing[name] } : summary(answers[name]),
    ]),
  )
}

function summary(answers) {
  const timed = answers.slice(1)
  return {
    seconds: median(timed.map(a => a.seconds)),
    cores: median(timed.map(a => a.cpuSeconds / a.seconds)),
    rounds: timed.map(a => a.seconds),
    answers,
  }
}
