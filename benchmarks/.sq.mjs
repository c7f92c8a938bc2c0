import { attackFrom } from '@saddle/attacks'
import { boxLinf, loadLabelled, lossFrom, mlpPasses, scoped, useBackend } from '@saddle/core'
import { readMlp } from '@saddle/distributed'
import * as tf from '@tensorflow/tfjs-core'
await useBackend('blas')
const f='/tmp/eval-mnist'
const { data } = await loadLabelled({ inputs: f+'/x-test.npy', labels: f+'/y-test.npy', outputs: 10 })
const passes = mlpPasses((await readMlp(f+'/adversarial.safetensors', 'relu')).mlp)
const n=Number(process.argv[2]??50)
const spec=JSON.parse(process.argv[3]??'{"kind":"square","queries":1000}')
const attack=attackFrom(spec)
for (const _ of [0,1]) {
const t=performance.now()
const right=scoped(()=>{
 const x = tf.tensor2d(data.inputs.slice(0, 784 * n), [n, 784]); const y = tf.tensor1d(data.labels.slice(0,n))
 const r=attack.run(passes,x,y,{set:boxLinf(0.1),loss:lossFrom('cross-entropy'),key:{seed:0,purpose:'b',step:0,examples:Array.from({length:n},(_, i)=>i)}})
 return n-tf.sum(tf.cast(r.success,'int32')).dataSync()[0]
})
console.log(n,spec.kind,((performance.now()-t)/1000).toFixed(2),'s',right)
}
