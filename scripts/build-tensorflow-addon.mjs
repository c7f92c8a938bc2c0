import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Builds TensorFlow.js's addon for Node against a TensorFlow that is newer than the one it was made for:
 *
 *     node scripts/build-tensorflow-addon.mjs [--wheel NAME==VERSION] [--out DIR]
 *
 * The C++ sources are those in the npm package @tensorflow/tfjs-node; the C library and its headers come out of a
 * Python wheel, by default tensorflow-cpu==2.21.0 (270 MB to download, 850 MB on disk). Needs g++, pip, and Node's
 * headers (/usr/include/node, or include/node beside the node that runs this). Linux only.
 *
 * Afterwards SADDLE_TENSORFLOW=DIR/node_modules/@tensorflow/tfjs-node makes `saddle` use it; tests find it in the
 * default folder, .tensorflow. Built once, it is left alone.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const option = (name, otherwise) => {
  const at = process.argv.indexOf(name)
  return at < 0 ? otherwise : process.argv[at + 1]
}
const out = resolve(option('--out', join(root, '.tensorflow')))
const wheel = option('--wheel', 'tensorflow-cpu==2.21.0')
const NAME = '@tensorflow/tfjs-node'
const VERSION = '4.22.0'
/** Header folders that tensorflow/c/c_api.h and tensorflow/c/eager/c_api.h lead to. */
const HEADERS = ['tensorflow/c/', 'tensorflow/core/platform/', 'xla/tsl/', 'tsl/']
/** Takes from a wheel, which is a zip file, what matches one of the patterns. */
const UNPACK = `
import fnmatch, sys, zipfile
_, wheel, target, *patterns = sys.argv
with zipfile.ZipFile(wheel) as z:
    z.extractall(target, [n for n in z.namelist() if any(fnmatch.fnmatch(n, p) for p in patterns)])
`
const folder = join(out, 'node_modules', NAME)
const addon = join(folder, 'lib/napi-v8/tfjs_binding.node')

if (existsSync(addon)) {
  console.log(folder)
  process.exit(0)
}
mkdirSync(out, { recursive: true })
installPackage()
unpackLibrary()
compile()
check()
console.log(folder)

/** The package with what it requires, none of their install scripts; @tensorflow/tfjs is the copy that Saddle has. */
function installPackage() {
  const arguments_ = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', out]
  run('npm', [...arguments_, `${NAME}@${VERSION}`])
  const copy = join(out, 'node_modules/@tensorflow/tfjs')
  const ours = createRequire(join(root, 'packages/core/package.json')).resolve(
    '@tensorflow/tfjs/package.json',
  )
  rmSync(copy, { recursive: true, force: true })
  symlinkSync(dirname(ours), copy)
}

/** libtensorflow_cc and libtensorflow_framework hold the C API; its headers lie beside them. */
function unpackLibrary() {
  const wheels = join(out, 'wheel')
  run('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', wheels, wheel])
  const file = join(wheels, readdirSync(wheels)[0])
  const patterns = ['libtensorflow_*.so.2', ...HEADERS.map(path => `include/${path}*`)]
  const deps = join(folder, 'deps')
  run('python3', ['-c', UNPACK, file, deps, ...patterns.map(pattern => `tensorflow/${pattern}`)])
  mkdirSync(join(deps, 'lib'), { recursive: true })
  for (const name of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'])
    renameSync(join(deps, 'tensorflow', name), join(deps, 'lib', name))
  rmSync(wheels, { recursive: true })
}

function compile() {
  const deps = join(folder, 'deps')
  mkdirSync(dirname(addon), { recursive: true })
  run('g++', [
    '-shared',
    '-fPIC',
    '-O2',
    '-std=c++17',
    `-I${nodeHeaders()}`,
    `-I${join(deps, 'tensorflow/include')}`,
    join(folder, 'binding/tfjs_backend.cc'),
    join(folder, 'binding/tfjs_binding.cc'),
    `-L${join(deps, 'lib')}`,
    '-l:libtensorflow_cc.so.2',
    '-l:libtensorflow_framework.so.2',
    '-Wl,-rpath,$ORIGIN/../../deps/lib',
    '-o',
    addon,
  ])
}

/** Loads it in a process of its own and multiplies two matrices. */
function check() {
  const program = `const tf = require(${JSON.stringify(folder)})
    const [value] = tf.matMul([[3, 4]], [[5], [6]]).dataSync()
    if (tf.getBackend() !== 'tensorflow' || value !== 39) process.exit(1)`
  const saved = join(root, 'packages/core/dist/tensors/tensorflow/old-utilities.js')
  const mend = existsSync(saved)
    ? `import(${JSON.stringify(saved)}).then(m => m.restoreOldUtilities())`
    : 'Promise.resolve()'
  try {
    run(process.execPath, ['-e', `${mend}.then(() => { ${program} })`])
  } catch (error) {
    rmSync(addon)
    throw error
  }
}

function nodeHeaders() {
  const places = [join(dirname(dirname(process.execPath)), 'include/node'), '/usr/include/node']
  const found = places.find(place => existsSync(join(place, 'node_api.h')))
  if (found !== undefined) return found
  throw new Error(`No Node headers in ${places.join(' or ')}: install libnode-dev or nodejs-dev`)
}

function run(command, arguments_) {
  const { status, error, stderr, stdout } = spawnSync(command, arguments_, { encoding: 'utf8' })
  if (status === 0) return
  throw new Error(`${command} ${arguments_[0]} failed: ${error?.message ?? ''}${stderr}${stdout}`)
}
