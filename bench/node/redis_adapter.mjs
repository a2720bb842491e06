// What oidc-provider keeps, in Redis: one string a record, and a set of keys a grant so that it can be revoked.

import Redis from 'ioredis';

const OF_A_GRANT = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken']);
const redis = new Redis(process.env.PEER_REDIS_URL);

const grantKey = (grantId) => `grant-members:${grantId}`;

export class RedisAdapter {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload, expiresIn) {
    const key = this.key(id);
    const batch = redis.pipeline().set(key, JSON.stringify(payload), 'EX', expiresIn);
    if (payload.uid) batch.set(`uid:${payload.uid}`, key, 'EX', expiresIn);
    if (payload.grantId && OF_A_GRANT.has(this.model)) {
      batch.sadd(grantKey(payload.grantId), key).expire(grantKey(payload.grantId), expiresIn);
    }
    await batch.exec();
  }

  async find(id) {
    return this.read(this.key(id));
  }

  async findByUid(uid) {
    const key = await redis.get(`uid:${uid}`);
    return key ? this.read(key) : undefined;
  }

  async findByUserCode() {
    return undefined;
  }

  async read(key) {
    const stored = await redis.get(key);
    return stored ? JSON.parse(stored) : undefined;
  }

  async consume(id) {
    const payload = await this.find(id);
    if (!payload) return;
    payload.consumed = Math.floor(Date.now() / 1000);
    await redis.set(this.key(id), JSON.stringify(payload), 'KEEPTTL');
  }

  async destroy(id) {
    await redis.del(this.key(id));
  }

  async revokeByGrantId(grantId) {
    const members = await redis.smembers(grantKey(grantId));
    await redis.del(...members, grantKey(grantId));
  }
}
