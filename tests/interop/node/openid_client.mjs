// panva/openid-client as a relying party: everything a web application does in the life of a sign-in.

import * as oidc from 'openid-client'
import { importJWK } from 'jose'
import { authorize, finish, task, visit } from './dialogue.mjs'

async function clientAuthentication() {
  if (task.private_jwk) {
    const key = await importJWK(task.private_jwk, task.private_jwk.alg)
    return oidc.PrivateKeyJwt({ key, kid: task.private_jwk.kid })
  }
  if (!task.client_secret) return oidc.None()
  const method = { client_secret_post: oidc.ClientSecretPost, client_secret_jwt: oidc.ClientSecretJwt }
  return (method[task.auth_method] ?? oidc.ClientSecretBasic)(task.client_secret)
}

const config = await oidc.discovery(
  new URL(task.issuer),
  task.client_id,
  task.client_metadata ?? {},
  await clientAuthentication(),
  { execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks] },
)

async function signIn() {
  const verifier = oidc.randomPKCECodeVerifier()
  const checks = { pkceCodeVerifier: verifier, expectedNonce: oidc.randomNonce(), expectedState: oidc.randomState() }
  const callback = await authorize(oidc.buildAuthorizationUrl(config, {
    redirect_uri: task.redirect_uri,
    scope: task.scope,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    nonce: checks.expectedNonce,
    state: checks.expectedState,
    ...task.authorization_params,
  }))
  return oidc.authorizationCodeGrant(config, callback, { ...checks, idTokenExpected: true, ...task.checks })
}

const flows = {
  async signIn() {
    const tokens = await signIn()
    const claims = tokens.claims()
    const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub)
    return { tokens, claims, userinfo }
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
    const tokens = await signIn()
    const url = oidc.buildEndSessionUrl(config, {
      post_logout_redirect_uri: task.post_logout_redirect_uri,
      id_token_hint: tokens.id_token,
      state: 'after-logout',
    })
    return { landed: await visit(url) }
  },
}

finish(await flows[task.flow]())
