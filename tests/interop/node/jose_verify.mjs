// panva/jose as a microservice: verify an access token with the keys that the provider publishes.

import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { finish, task } from './dialogue.mjs'

const keys = createRemoteJWKSet(new URL(task.jwks_uri))
const { payload, protectedHeader } = await jwtVerify(task.token, keys, {
  issuer: task.issuer,
  audience: task.audience,
  typ: task.typ,
  requiredClaims: ['sub', 'iat', 'exp', 'jti', 'client_id'],
})
// The same token, damaged in its last signature byte but one, must fail.
const damaged = task.token.slice(0, -3) + (task.token.at(-3) === 'A' ? 'B' : 'A') + task.token.slice(-2)
const refused = await jwtVerify(damaged, keys).then(() => null, (error) => error.code)
finish({ payload, header: decodeProtectedHeader(task.token), verified_with: protectedHeader.kid, refused })
