// The relying party's own site, on a port that the test chose: what the provider fetches there, and what it posts.

import { createServer } from 'node:http'

async function listening(port, respond) {
  const server = createServer(respond)
  await new Promise((ready) => server.listen(port, '127.0.0.1', ready))
  return server
}

// Serve a request object at every path. The sockets must not keep the program alive.
export async function publishRequestObject(port, object) {
  const site = { fetched: 0 }
  const server = await listening(port, (request, response) => {
    site.fetched += 1
    response.setHeader('Connection', 'close')
    response.setHeader('Content-Type', 'application/oauth-authz-req+jwt')
    response.end(object)
  })
  server.unref()
  return site
}

// Listen; `form` becomes the first form that is posted. The answer is that of OpenID Connect Back-Channel Logout §2.8.
export async function expectForm(port) {
  let arrived
  const form = new Promise((resolve) => { arrived = resolve })
  const server = await listening(port, async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    response.writeHead(request.method === 'POST' ? 200 : 405, { 'Cache-Control': 'no-store', Connection: 'close' })
    response.end()
    arrived(new URLSearchParams(body))
  })
  server.unref()
  return { form }
}
