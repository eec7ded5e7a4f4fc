import { application } from './application.js'

const [, , path = ''] = process.argv

void application(path).then(console.log)
