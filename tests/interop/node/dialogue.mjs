// The conversation with the Python test: one JSON object a line. The first line that arrives is the task;
// `authorize(url)` has the test's browser visit a URL and returns where it was sent; `finish` ends it all.

import { createInterface } from 'node:readline'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

async function receive() {
  const { value, done } = await lines.next()
  if (done) throw new Error('the test hung up')
  return JSON.parse(value)
}

function send(message) {
  process.stdout.write(JSON.stringify(message) + '\n')
}

export const task = await receive()

export async function authorize(url) {
  send({ authorize: String(url) })
  return new URL((await receive()).callback)
}

export async function visit(url) {
  send({ visit: String(url) })
  return (await receive()).url
}

export function finish(result) {
  send({ result })
  process.stdin.destroy()
}
