import { doorbell } from './doorbell.js'
import type { Task } from './messages.js'

/** The pool's worker file: hands every task to the replica of this thread. */
export default (task: Task): Promise<unknown> => doorbell(task)
