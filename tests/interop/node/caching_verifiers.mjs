// Verifiers that live long and keep a copy of the key set, as their authors made them: panva/jose for an API,
// panva/openid-client for a web application. Only the clock that they read can be put forward.

import * as oidc from 'openid-client'
import { createRemoteJWKSet, customFetch, jwtVerify } from 'jose'
import { answer, task } from './dialogue.mjs'

const now = Date.now
let ahead = 0
Date.now = () => now() + ahead

const fetched = { jose: 0, 'openid-client': 0 }

function counting(name) {
  return (url, options) => {
    if (String(url) === task.jwks_uri) fetched[name] += 1
    return fetch(url, options)
  }
}

const keys = createRemoteJWKSet(new URL(task.jwks_uri), { [customFetch]: counting('jose') })
const config = await oidc.discovery(new URL(task.issuer), task.client_id, {}, oidc.None(), {
  execute: [oidc.allowInsecureRequests, oidc.useIdTokenResponseType],
  [oidc.customFetch]: counting('openid-client'),
})

const verifiers = {
  jose: ({ id_token }) => jwtVerify(id_token, keys, { issuer: task.issuer, audience: task.client_id }),
  'openid-client': ({ url, nonce, state }) =>
    oidc.implicitAuthentication(config, new URL(url), nonce, { expectedState: state }),
}

await answer({
  // The cause says more than the wrapper that a library may put around it.
  verify: ({ verifier, ...sample }) =>
    verifiers[verifier](sample).then(() => null, (error) => error.cause?.code ?? error.code ?? String(error)),
  fetched: ({ verifier }) => fetched[verifier],
  wait({ seconds }) {
    ahead += seconds * 1000
    return null
  },
})
