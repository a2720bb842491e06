// panva/oauth4webapi as a relying party and as a resource server, step by step, nothing taken on trust.

import * as oauth from 'oauth4webapi'
import { authorize, finish, task } from './dialogue.mjs'

const options = { [oauth.allowInsecureRequests]: true }
const issuer = new URL(task.issuer)
const server = await oauth
  .discoveryRequest(issuer, { ...options, algorithm: task.algorithm ?? 'oidc' })
  .then((response) => oauth.processDiscoveryResponse(issuer, response))
const client = { client_id: task.client_id, ...task.client_metadata }

async function authentication() {
  if (task.private_jwk) {
    const { alg, kid } = task.private_jwk
    const algorithm = { ES256: { name: 'ECDSA', namedCurve: 'P-256' }, PS256: { name: 'RSA-PSS', hash: 'SHA-256' } }[alg]
    const jwk = { ...task.private_jwk }
    delete jwk.use
    const key = await crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign'])
    return oauth.PrivateKeyJwt({ key, kid })
  }
  return task.client_secret ? oauth.ClientSecretBasic(task.client_secret) : oauth.None()
}

const auth = await authentication()

async function signIn() {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const nonce = oauth.generateRandomNonce()
  const url = new URL(server.authorization_endpoint)
  const params = {
    client_id: client.client_id,
    redirect_uri: task.redirect_uri,
    response_type: 'code',
    scope: task.scope,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...task.authorization_params,
  }
  for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value)
  const answer = oauth.validateAuthResponse(server, client, await authorize(url), state)
  const response = await oauth.authorizationCodeGrantRequest(
    server, client, auth, answer, task.redirect_uri, verifier, options,
  )
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, {
    expectedNonce: nonce,
    requireIdToken: true,
  })
  await oauth.validateApplicationLevelSignature(server, response, options)
  return tokens
}

const flows = {
  async signIn() {
    const tokens = await signIn()
    const claims = oauth.getValidatedIdTokenClaims(tokens)
    const response = await oauth.userInfoRequest(server, client, tokens.access_token, options)
    const userinfo = await oauth.processUserInfoResponse(server, client, claims.sub, response)
    return { tokens, claims, userinfo }
  },

  async refresh() {
    const first = await signIn()
    const response = await oauth.refreshTokenGrantRequest(server, client, auth, first.refresh_token, options)
    const second = await oauth.processRefreshTokenResponse(server, client, response)
    return { first, second }
  },

  async revoke() {
    const tokens = await signIn()
    const revocation = await oauth.revocationRequest(server, client, auth, tokens.refresh_token, options)
    await oauth.processRevocationResponse(revocation)
    const response = await oauth.introspectionRequest(server, client, auth, tokens.refresh_token, options)
    return { introspection: await oauth.processIntrospectionResponse(server, client, response) }
  },

  // A resource server that checks an RFC 9068 access token without asking anybody.
  async clientCredentials() {
    const params = new URLSearchParams(task.token_params)
    const response = await oauth.clientCredentialsGrantRequest(server, client, auth, params, options)
    const tokens = await oauth.processClientCredentialsResponse(server, client, response)
    const request = new Request('https://api.example.com/', {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    })
    const claims = await oauth.validateJwtAccessToken(server, request, task.audience, options)
    return { tokens, claims }
  },
}

finish(await flows[task.flow]())
