#!/usr/bin/env node
// SIGUSR1 asks a training to save. Without a listener Node would open a port for a debugger instead.
process.on('SIGUSR1', () => {})
const main = await import('../dist/main.js').then(
  module => module.main,
  error => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
    console.error(
      'error: Saddle is not built yet. Run `npm start`, or `pnpm install` and `pnpm run build`, in its folder.',
    )
    process.exit(1)
  },
)
process.exitCode = await main(process.argv.slice(2))
