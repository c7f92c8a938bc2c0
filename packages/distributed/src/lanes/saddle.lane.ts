import { serve } from './serve.js'

/** What a process of a worker's own runs. */
serve()
