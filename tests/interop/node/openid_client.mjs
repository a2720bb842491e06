// panva/openid-client as a relying party: everything a web application does in the life of a sign-in.
// What the library leaves to its user, encrypted request objects and logout tokens, is done with panva/jose.

import * as oidc from 'openid-client'
import { CompactEncrypt, compactDecrypt, createRemoteJWKSet, importJWK, jwtVerify } from 'jose'
import { authorize, finish, task, visit } from './dialogue.mjs'
import { expectForm, publishRequestObject } from './loopback_site.mjs'

const CONTENT_ENCRYPTION = ['A128CBC-HS256', 'A256GCM']

const keyOf = async (jwk) => ({ key: await importJWK(jwk, jwk.alg), kid: jwk.kid, alg: jwk.alg })
const decryption = task.decryption_jwk && (await keyOf(task.decryption_jwk))

async function clientAuthentication() {
  if (task.private_jwk) return oidc.PrivateKeyJwt(await keyOf(task.private_jwk))
  if (!task.client_secret && !task.registration) return oidc.None()
  const method = {
    none: oidc.None,
    client_secret_post: oidc.ClientSecretPost,
    client_secret_jwt: oidc.ClientSecretJwt,
  }
  // The secret of a client that is yet to be registered is in the answer, where the library finds it.
  return (method[task.auth_method] ?? oidc.ClientSecretBasic)(task.client_secret)
}

const execute = [oidc.enableNonRepudiationChecks]
if (task.issuer.startsWith('http:')) execute.push(oidc.allowInsecureRequests)
if (task.response_type === 'code id_token') execute.push(oidc.useCodeIdTokenResponseType)
if (task.response_type === 'id_token') execute.push(oidc.useIdTokenResponseType)
if (decryption) {
  execute.push((config) => oidc.enableDecryptingResponses(config, CONTENT_ENCRYPTION, decryption))
}

const issuer = new URL(task.issuer)
const config = task.registration
  ? await oidc.dynamicClientRegistration(issuer, task.registration, await clientAuthentication(), {
      initialAccessToken: task.initial_access_token,
      execute,
    })
  : await oidc.discovery(issuer, task.client_id, task.client_metadata ?? {}, await clientAuthentication(), { execute })

let published = { fetched: 0 }

// OpenID Connect Core §6, RFC 9101: all parameters in a signed JWT, which may be encrypted, by value or by reference.
async function requestWithObject(parameters) {
  const { encryption_alg: alg, uri } = task.request_object
  const url = await oidc.buildAuthorizationUrlWithJAR(config, parameters, await keyOf(task.private_jwk))
  if (alg) {
    const { keys } = await fetch(config.serverMetadata().jwks_uri).then((response) => response.json())
    const jwk = keys.find((key) => key.use === 'enc' && key.alg === alg)
    const jwe = new CompactEncrypt(new TextEncoder().encode(url.searchParams.get('request')))
    jwe.setProtectedHeader({ alg, enc: 'A256GCM', cty: 'JWT', kid: jwk.kid })
    url.searchParams.set('request', await jwe.encrypt(await importJWK(jwk, alg)))
  }
  if (uri) {
    published = await publishRequestObject(new URL(uri).port, url.searchParams.get('request'))
    url.searchParams.delete('request')
    url.searchParams.set('request_uri', uri)
  }
  return url
}

async function signIn(more = {}) {
  const checks = { expectedNonce: oidc.randomNonce(), expectedState: oidc.randomState() }
  const parameters = {
    redirect_uri: task.redirect_uri,
    scope: task.scope,
    nonce: checks.expectedNonce,
    state: checks.expectedState,
    ...task.authorization_params,
    ...more,
  }
  const build = task.request_object ? requestWithObject : (all) => oidc.buildAuthorizationUrl(config, all)
  if (task.response_type === 'id_token') {
    const callback = await authorize(await build(parameters))
    const { expectedNonce, ...others } = checks
    const claims = await oidc.implicitAuthentication(config, callback, expectedNonce, others)
    return { mode: modeOf(callback), claims: () => claims }
  }
  checks.pkceCodeVerifier = oidc.randomPKCECodeVerifier()
  parameters.code_challenge = await oidc.calculatePKCECodeChallenge(checks.pkceCodeVerifier)
  parameters.code_challenge_method = 'S256'
  const callback = await authorize(await build(parameters))
  const mode = modeOf(callback)
  const all = { ...checks, idTokenExpected: true, ...task.checks }
  return Object.assign(await oidc.authorizationCodeGrant(config, callback, all), { mode })
}

function modeOf(callback) {
  if (callback instanceof Request) return 'form_post'
  return callback.hash ? 'fragment' : 'query'
}

// What is for this client alone says nothing to the provider: a hint is sent opened (OpenID Connect Core §3.1.2.1).
async function opened(token) {
  if (!decryption) return token
  return new TextDecoder().decode((await compactDecrypt(token, decryption.key)).plaintext)
}

async function endSessionUrl(tokens) {
  return oidc.buildEndSessionUrl(config, {
    post_logout_redirect_uri: task.post_logout_redirect_uri,
    id_token_hint: await opened(tokens.id_token),
    state: 'after-logout',
  })
}

// OpenID Connect Back-Channel Logout §2.6
async function verifiedLogoutToken(form) {
  const token = await opened(form.get('logout_token'))
  const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri))
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    issuer: task.issuer,
    audience: task.client_id,
    typ: 'logout+jwt',
    maxTokenAge: '2 minutes',
    requiredClaims: ['iat', 'exp', 'jti', 'events'],
  })
  return { payload, header: protectedHeader, fields: [...form.keys()] }
}

// RFC 7592 §2; the library leaves this to its user.
async function manage(method, token) {
  const { registration_client_uri: uri } = config.clientMetadata()
  const response = await fetch(uri, { method, headers: { authorization: `Bearer ${token}` } })
  return { status: response.status, body: response.status === 200 ? await response.json() : null }
}

const flows = {
  async register() {
    const registered = config.clientMetadata()
    const tokens = await signIn()
    const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
    const stranger = await manage('GET', 'not the token')
    const read = await manage('GET', registered.registration_access_token)
    const deleted = await manage('DELETE', read.body.registration_access_token)
    // With a challenge in the answer, that is what the library tells of it.
    const refused = await oidc.refreshTokenGrant(config, tokens.refresh_token).then(() => null, (error) => error.status)
    return { registered, tokens, claims: tokens.claims(), userinfo, stranger, read, deleted, refused }
  },

  async signIn() {
    const tokens = await signIn()
    const claims = tokens.claims()
    const userinfo = tokens.access_token && (await oidc.fetchUserInfo(config, tokens.access_token, claims.sub))
    return { tokens, claims, userinfo, mode: tokens.mode, fetched: published.fetched }
  },

  async silent() {
    const refused = await signIn({ prompt: 'none' }).then(() => null, (error) => error.error)
    const first = await signIn()
    const again = await signIn({ prompt: 'none', id_token_hint: await opened(first.id_token) })
    return { refused, first: first.claims(), again: again.claims() }
  },

  async refresh() {
    const first = await signIn()
    const second = await oidc.refreshTokenGrant(config, first.refresh_token)
    const userinfo = await oidc.fetchUserInfo(config, second.access_token, first.claims().sub)
    return { first, second, userinfo, claims: second.claims() }
  },

  async introspectAndRevoke() {
    const tokens = await signIn()
    const before = await oidc.tokenIntrospection(config, tokens.access_token)
    await oidc.tokenRevocation(config, tokens.refresh_token)
    const after = await oidc.tokenIntrospection(config, tokens.refresh_token)
    const refused = await oidc.refreshTokenGrant(config, tokens.refresh_token).then(() => null, (error) => error.error)
    return { before, after, refused }
  },

  async clientCredentials() {
    const tokens = await oidc.clientCredentialsGrant(config, task.token_params)
    return { tokens, introspection: await oidc.tokenIntrospection(config, tokens.access_token) }
  },

  async logout() {
    return { landed: await visit(await endSessionUrl(await signIn())) }
  },

  async backChannelLogout() {
    const { form } = await expectForm(task.logout_port)
    const tokens = await signIn()
    await visit(await endSessionUrl(tokens))
    return { claims: tokens.claims(), logout: await verifiedLogoutToken(await form) }
  },
}

finish(await flows[task.flow]())
