/** The entry of a worker process. It flushes until it is killed. */
import { answer, onOrder, persistently, plan } from './child.js'
import { Journal } from './journal.js'
import { openTarget } from './target.js'

const journal = new Journal()
const target = await openTarget(plan(), (...event) => journal.add(`e ${event.join(' ')}`))
onOrder(() => {})
await persistently(() => target.startWorker())
answer('ready')
