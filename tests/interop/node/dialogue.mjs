// The conversation with the Python test: one JSON object a line. The first line that arrives is the task;
// `authorize(url)` has the test's browser visit a URL and returns where it was sent: a URL, or a Request if that is a
// form which was posted. `finish` ends it all. `answer` has the test ask, as often as it likes.

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
  const { callback, form } = await receive()
  return form ? new Request(callback, { method: 'POST', body: new URLSearchParams(form) }) : new URL(callback)
}

export async function visit(url) {
  send({ visit: String(url) })
  return (await receive()).url
}

export function finish(result) {
  send({ result })
  process.stdin.destroy()
}

export async function answer(questions) {
  for await (const line of lines) {
    const { ask, ...more } = JSON.parse(line)
    send({ result: await questions[ask](more) })
  }
}
