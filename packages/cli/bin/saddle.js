#!/usr/bin/env node
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
