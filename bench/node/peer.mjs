// npm's oidc-provider in two processes, set up to do what idp does for the same request.

import cluster from 'node:cluster';
import { once } from 'node:events';

const { PEER_PORT, PEER_ISSUER, PEER_ADAPTER, PEER_KEY, PEER_CLIENTS, PEER_AUDIENCE, PEER_SCOPES } = process.env;
const WORKERS = Number(process.env.PEER_WORKERS ?? 2);

const configuration = {
  jwks: { keys: [JSON.parse(PEER_KEY)] },
  clients: JSON.parse(PEER_CLIENTS),
  cookies: { keys: ['a secret of the benchmark, of no use elsewhere'] },
  scopes: ['openid'],
  claims: { openid: ['sub'], profile: ['name', 'given_name', 'family_name'], email: ['email', 'email_verified'] },
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: PEER_SCOPES,
        audience: PEER_AUDIENCE,
        accessTokenTTL: 300,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  ttl: { AccessToken: 300, ClientCredentials: 300, IdToken: 300, Session: 86400, Grant: 86400, RefreshToken: 86400 },
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  findAccount: (_ctx, sub) => ({
    accountId: sub,
    claims: () => ({
      sub,
      name: 'Ada Example',
      given_name: 'Ada',
      family_name: 'Example',
      email: 'ada@example.com',
      email_verified: true,
    }),
  }),
};

if (cluster.isPrimary) {
  for (let worker = 0; worker < WORKERS; worker += 1) cluster.fork();
  // All or nothing: a measurement with one worker missing would be worth nothing.
  cluster.on('exit', () => process.exit(1));
  process.on('SIGTERM', () => process.exit(0));
} else {
  const { default: Provider } = await import('oidc-provider');
  if (PEER_ADAPTER === 'redis') {
    configuration.adapter = (await import('./redis_adapter.mjs')).RedisAdapter;
  }
  const provider = new Provider(PEER_ISSUER, configuration);
  provider.on('server_error', (_ctx, error) => console.error(error));
  await once(provider.listen(Number(PEER_PORT), '127.0.0.1'), 'listening');
}
