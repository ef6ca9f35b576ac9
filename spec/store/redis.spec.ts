import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { createClient, RESP_TYPES } from 'redis';
import { systemClock } from '../../src/clock.js';
import { type Entry, isEntry, recordEntry, Stamps, stampOf, tombstoneEntry } from '../../src/store/entry.js';
import { StoreFault } from '../../src/store/fault.js';
import type { RedisStore } from '../../src/store/redis.js';
import { until } from '../support/app.js';
import { PREFIX, redisStore } from '../support/contract-stores.js';
import { RedisServer } from '../support/redis-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const TTL = 600_000;
const stamps = new Stamps(systemClock());
const newKey = (): string => randomBytes(32).toString('base64url');
const record = (bytes = 64): Entry => recordEntry(stamps.next(), randomBytes(bytes));
const tombstone = (): Entry => tombstoneEntry(stamps.next(), 'destroyed');

/** A client with which a test acts on the server, apart from the library. Values are Buffers. */
function adminOf(url: string) {
  return createClient({ url })
    .on('error', () => undefined)
    .withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
}
type Admin = ReturnType<typeof adminOf>;

describe('the Redis store', () => {
  let server: RedisServer;
  let admin: Admin;
  let store: RedisStore;
  before(async () => {
    server = await RedisServer.start();
    admin = adminOf(server.url);
    await admin.connect();
  });
  after(async () => {
    admin.destroy();
    await server.stop();
  });
  beforeEach(() => void (store = redisStore({ url: server.url })));
  afterEach(() => store.close());

  it('keeps entries as they are, under its prefix, for the ttl', async () => {
    const [key, entry] = [newKey(), record()];
    await store.swap(key, entry, null, TTL);
    expect((await admin.get(PREFIX + key))?.equals(entry)).to.equal(true);
    expect(await admin.pTTL(PREFIX + key)).to.be.within(TTL - 60_000, TTL);
  });

  it('sends one EVALSHA for a swap, and the script again only after the server forgot it', async () => {
    const [key, first, second, third] = [newKey(), record(), record(), record()];
    await store.swap(key, first, null, TTL);
    const evals = await callsOf(admin, 'eval');
    expect(await store.swap(key, second, stampOf(first), TTL)).to.deep.equal({ done: true });
    expect(await callsOf(admin, 'eval')).to.equal(evals);
    await admin.scriptFlush();
    expect(await store.swap(key, third, stampOf(second), TTL)).to.deep.equal({ done: true });
    expect(await callsOf(admin, 'eval')).to.equal(evals + 1);
    expect((await store.read(key))?.equals(third)).to.equal(true);
  });

  it('reads a value of another type as foreign, and shows it to a swap as what stands in the way', async () => {
    const key = newKey();
    await admin.rPush(PREFIX + key, 'mine');
    const found = await store.read(key);
    expect(found && isEntry(found)).to.equal(false);
    for (const [entry, expected] of [
      [record(), null],
      [record(), stampOf(record())],
      [tombstone(), null],
    ] as const) {
      const answer = await store.swap(key, entry, expected, TTL);
      expect(answer.done).to.equal(false);
      expect(!answer.done && answer.current && isEntry(answer.current)).to.equal(false);
    }
    expect(String(await admin.type(PREFIX + key))).to.equal('list');
  });

  it('shows a string that is no entry to a swap, and leaves it there', async () => {
    for (const text of ['', '{"user":1}', '\u0002', `\u0002${'x'.repeat(16)}`, `\u0002${'x'.repeat(30)}`]) {
      const key = newKey();
      await admin.set(PREFIX + key, text);
      for (const entry of [record(), tombstone()]) {
        expect(await store.swap(key, entry, null, TTL)).to.deep.equal({
          done: false,
          current: Buffer.from(text),
        });
      }
      expect(String(await admin.get(PREFIX + key))).to.equal(text);
    }
  });

  it("ends a key that holds a foreign value by a tombstone that expects 'any'", async () => {
    const [key, end] = [newKey(), tombstone()];
    await admin.rPush(PREFIX + key, 'mine');
    expect(await store.swap(key, end, 'any', TTL)).to.deep.equal({ done: true });
    expect((await store.read(key))?.equals(end)).to.equal(true);
  });

  it('does not take the stamp of a swap for another: a late packet overwrites nothing', async () => {
    const [key, first, late, newer] = [newKey(), record(), record(), record()];
    await store.swap(key, first, null, TTL);
    const other = redisStore({ url: server.url });
    try {
      await other.swap(key, newer, stampOf(first), TTL);
    } finally {
      await other.close();
    }
    expect(await store.swap(key, late, stampOf(first), TTL)).to.deep.equal({ done: false, current: newer });
    expect((await store.read(key))?.equals(newer)).to.equal(true);
  });

  it('rejects everything at once after close()', async () => {
    await store.read(newKey());
    await store.close();
    const fault = await faultOf(store.read(newKey()));
    expect(fault).to.include({ class: 'not-applied' });
  });

  describe('on a server that is out of memory', () => {
    beforeEach(async () => {
      await store.read(newKey());
      await admin.configSet('maxmemory-policy', 'noeviction');
    });
    afterEach(() => admin.configSet('maxmemory', '0'));

    it('faults a record as not applied, reads on, and still takes a logout', async () => {
      const [key, first, end] = [newKey(), record(), tombstone()];
      await store.swap(key, first, null, TTL);
      await admin.configSet('maxmemory', '1');
      const fault = await faultOf(store.swap(key, record(), stampOf(first), TTL));
      expect(fault).to.include({ class: 'not-applied', reason: 'oom', writeOnly: true });
      expect((await store.read(key))?.equals(first)).to.equal(true);
      expect(await store.swap(key, end, 'any', TTL)).to.deep.equal({ done: true });
      expect((await store.read(key))?.equals(end)).to.equal(true);
    });

    it('takes a logout of a key that it does not have, and with a script that it has forgotten', async () => {
      await admin.scriptFlush();
      await admin.configSet('maxmemory', '1');
      const [key, end] = [newKey(), tombstone()];
      expect(await store.swap(key, end, 'any', TTL)).to.deep.equal({ done: true });
      expect((await store.read(key))?.equals(end)).to.equal(true);
    });
  });

  it('faults writes to a read-only replica as not applied, and reads on', async () => {
    const [key, first] = [newKey(), record()];
    await store.swap(key, first, null, TTL);
    await admin.configSet('replica-serve-stale-data', 'yes');
    await admin.sendCommand(['REPLICAOF', '127.0.0.1', '1']);
    try {
      for (const [entry, expected] of [
        [record(), stampOf(first)],
        [tombstone(), 'any'],
      ] as const) {
        const fault = await faultOf(store.swap(key, entry, expected, TTL));
        expect(fault).to.include({ class: 'not-applied', reason: 'readonly', writeOnly: true });
      }
      expect((await store.read(key))?.equals(first)).to.equal(true);
    } finally {
      await admin.sendCommand(['REPLICAOF', 'NO', 'ONE']);
    }
    expect(await store.swap(key, record(), stampOf(first), TTL)).to.deep.equal({ done: true });
  });

  it('faults writes to a server that lost too many replicas as not applied', async () => {
    const key = newKey();
    await admin.configSet('min-replicas-to-write', '1');
    try {
      expect(await faultOf(store.swap(key, record(), null, TTL))).to.include({
        class: 'not-applied',
        writeOnly: true,
      });
      expect(await store.read(key)).to.equal(undefined);
    } finally {
      await admin.configSet('min-replicas-to-write', '0');
    }
  });

  it('says what the server is: its version, its run, and whether it may evict', async () => {
    expect(store.facts).to.equal(undefined);
    await store.read(newKey());
    expect(store.facts?.version).to.match(/^\d+\.\d+/);
    expect(store.facts?.runId).to.match(/^[0-9a-f]{40}$/);
    expect(store.facts?.role).to.equal('master');
    expect(store.mayEvict()).to.equal(false);
    expect(store.clockOffset()).to.be.within(-60_000, 60_000);
    await admin.configSet('maxmemory', '1gb');
    await admin.configSet('maxmemory-policy', 'allkeys-lru');
    const other = redisStore({ url: server.url });
    try {
      await other.read(newKey());
      expect(other.mayEvict()).to.equal(true);
    } finally {
      await other.close();
      await admin.configSet('maxmemory-policy', 'noeviction');
      await admin.configSet('maxmemory', '0');
    }
  });

  it('leaves a client that the app gave alone', async () => {
    const client = createClient({ url: server.url }).on('error', () => undefined);
    await client.connect();
    try {
      const given = redisStore({ target: { kind: 'given', client } });
      await given.swap(newKey(), record(), null, TTL);
      await given.close();
      expect(client.isReady).to.equal(true);
      expect(await client.ping()).to.equal('PONG');
      expect(client.listenerCount('error')).to.equal(1);
    } finally {
      client.destroy();
    }
  });

  it('takes a client that is not connected', async () => {
    const given = redisStore({ target: { kind: 'given', client: createClient({ url: server.url }) } });
    try {
      expect(await given.read(newKey())).to.equal(undefined);
    } finally {
      await given.close();
    }
  });
});

describe('the Redis store, refused by a server', () => {
  it('with a password that is wrong faults as auth, executes nothing, and names no password', async () => {
    const server = await RedisServer.start({ args: ['--requirepass', 'right-password'] });
    const admin = adminOf(`redis://:right-password@127.0.0.1:${server.port}`);
    await admin.connect();
    try {
      for (const credentials of [
        '',
        ':wrong-password@',
        'default:wrong-password@',
        'nobody:wrong-password@',
      ]) {
        const store = redisStore({ url: `redis://${credentials}127.0.0.1:${server.port}` });
        const fault = await faultOf(store.swap(newKey(), record(), null, TTL));
        await store.close();
        expect(fault, credentials).to.include({ class: 'not-applied', reason: 'auth' });
        expect(String(fault.stack)).not.to.include('password');
      }
      expect(await admin.dbSize()).to.equal(0);
    } finally {
      admin.destroy();
      await server.stop();
    }
  });

  it('with a database that it does not have faults, and executes nothing in another', async () => {
    const server = await RedisServer.start();
    const admin = adminOf(server.url);
    await admin.connect();
    const store = redisStore({ url: `${server.url}/99` });
    try {
      await faultOf(store.swap(newKey(), record(), null, TTL));
      expect(await admin.dbSize()).to.equal(0);
    } finally {
      await store.close();
      admin.destroy();
      await server.stop();
    }
  });
});

describe('the Redis store, when its server', () => {
  let server: RedisServer;
  let store: RedisStore;
  beforeEach(async () => {
    server = await RedisServer.start();
    store = redisStore({ url: server.url });
    await store.read(newKey());
  });
  afterEach(async () => {
    await store.close();
    await server.stop();
  });

  it('freezes, rejects what waits as ambiguous, and reaches it again after the thaw', async () => {
    const [key, entry] = [newKey(), record()];
    server.freeze();
    const faults = await Promise.all([faultOf(store.swap(key, entry, null, TTL)), faultOf(store.read(key))]);
    for (const fault of faults) expect(fault).to.include({ class: 'ambiguous' });
    expect(await faultOf(store.read(key)), 'nothing waits for the frozen server now').to.include({
      class: 'not-applied',
    });
    server.thaw();
    await reached(store);
    expect(await store.swap(key, entry, null, TTL)).to.deep.equal({ done: true });
    expect((await store.read(key))?.equals(entry)).to.equal(true);
  });

  it('freezes under steady traffic, notices too: later commands do not keep the old connection alive', async () => {
    server.freeze();
    const pending: Promise<StoreFault>[] = [];
    let over = false;
    while (!over && pending.length < 100_000) {
      const fault = faultOf(store.read(newKey()));
      pending.push(fault);
      void fault.then(({ class: faultClass }) => (over ||= faultClass === 'ambiguous'));
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    const first = await Promise.all(pending);
    expect(first.every(fault => fault instanceof StoreFault)).to.equal(true);
    server.thaw();
  });

  it('is killed, faults at once, and reaches it again after the restart', async () => {
    await server.kill();
    await until(async () => (await faultOf(store.read(newKey()))).reason === 'refused');
    const before = store.incarnation();
    await server.restart();
    await reached(store);
    expect(store.incarnation()).not.to.equal(before);
    expect(store.lossCause()).to.equal('run-id');
  });

  it('is killed with commands under way, rejects them as ambiguous', async () => {
    server.freeze();
    const waiting = [faultOf(store.read(newKey())), faultOf(store.swap(newKey(), record(), null, TTL))];
    await server.kill();
    for (const fault of await Promise.all(waiting)) expect(fault.class).to.equal('ambiguous');
  });
});

describe('the Redis store behind a network that fails', () => {
  let server: RedisServer;
  let proxy: TcpProxy;
  let store: RedisStore;
  beforeEach(async () => {
    server = await RedisServer.start();
    proxy = await TcpProxy.start(server.port);
    store = redisStore({ url: proxy.url });
    await store.read(newKey());
  });
  afterEach(async () => {
    await store.close();
    await proxy.close();
    await server.stop();
  });

  it('answers done to a retry of the swap whose reply was lost', async () => {
    const [key, first, second] = [newKey(), record(), record()];
    await store.swap(key, first, null, TTL);
    proxy.mode = 'drop-replies';
    expect(await faultOf(store.swap(key, second, stampOf(first), TTL))).to.include({ class: 'ambiguous' });
    expect(proxy.lost).to.be.above(0);
    const direct = redisStore({ url: server.url });
    try {
      expect((await direct.read(key))?.equals(second), 'it was applied').to.equal(true);
    } finally {
      await direct.close();
    }
    proxy.mode = 'pass';
    await reached(store);
    expect(await store.swap(key, second, stampOf(first), TTL)).to.deep.equal({ done: true });
  });

  it('faults what is sent into a blackhole, and comes back after it', async () => {
    proxy.mode = 'blackhole';
    expect(await faultOf(store.read(newKey()))).to.include({ class: 'ambiguous' });
    proxy.mode = 'pass';
    await reached(store);
    expect(await store.read(newKey())).to.equal(undefined);
  });

  it('faults commands whose connection is reset as ambiguous, those after it as not applied', async () => {
    proxy.mode = 'drop-replies';
    const waiting = faultOf(store.swap(newKey(), record(), null, TTL));
    await until(() => proxy.lost > 0);
    proxy.mode = 'refuse';
    expect(await waiting).to.include({ class: 'ambiguous', reason: 'reset' });
    expect(await faultOf(store.swap(newKey(), record(), null, TTL))).to.include({ class: 'not-applied' });
  });
});

describe('a process that closes its sessions', () => {
  let server: RedisServer;
  beforeEach(async () => (server = await RedisServer.start()));
  afterEach(() => server.stop());
  const program = fileURLToPath(new URL('../support/fixtures/open-and-close.ts', import.meta.url));

  /** The exit code and what it printed; `between` runs after it opened and before it closes. */
  const run = async (how: 'ready' | 'at once', between: () => void): Promise<[number | null, string[]]> => {
    const child = spawn(process.execPath, ['--import', 'tsx', program, server.url, how], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      const lines: string[] = [];
      const reader = createInterface(child.stdout).on('line', line => lines.push(line));
      const exit = once(child, 'exit');
      await once(reader, 'line');
      between();
      child.stdin.write('close\n');
      const [code] = (await exit) as [number | null];
      return [code, lines];
    } finally {
      child.kill('SIGKILL');
    }
  };

  it('ends by itself', async () => {
    expect(await run('ready', () => undefined)).to.deep.equal([0, ['open', 'closed, left 0']]);
  });

  it('ends by itself while the server is frozen', async () => {
    expect(await run('ready', () => server.freeze())).to.deep.equal([0, ['open', 'closed, left 0']]);
  });

  it('ends by itself when it never got an answer', async () => {
    server.freeze();
    expect(await run('at once', () => undefined)).to.deep.equal([0, ['open', 'closed, left 0']]);
  });
});

describe('node-redis, as the Redis store relies on it,', () => {
  let server: RedisServer;
  before(async () => (server = await RedisServer.start()));
  afterEach(() => server.thaw());
  after(() => server.stop());
  const connected = () =>
    createClient({
      url: server.url,
      disableOfflineQueue: true,
      commandOptions: { timeout: 0 },
      socket: { reconnectStrategy: false },
    })
      .on('error', () => undefined)
      .connect();

  it('rejects what is in flight on a frozen server when it is destroyed, and destroys without waiting', async () => {
    const client = await connected();
    server.freeze();
    const waiting = client.get('key').then(
      () => undefined,
      (error: unknown) => error,
    );
    client.destroy();
    expect(kindOf(await waiting)).to.equal('DisconnectsClientError');
  });

  it('refuses commands at once when it is not connected, instead of keeping them for a later server', async () => {
    const client = await connected();
    client.destroy();
    const error = await client.get('key').then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(kindOf(error)).to.equal('ClientClosedError');
  });

  it('throws server replies as SimpleError without a code', async () => {
    const client = await connected();
    await client.set('key', 'text');
    const error: unknown = await client.lPush('key', 'x').then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    client.destroy();
    expect(kindOf(error)).to.equal('SimpleError');
    expect(error)
      .to.have.property('message')
      .that.matches(/^WRONGTYPE/);
    expect(error).not.to.have.property('code');
  });
});

function kindOf(error: unknown): string {
  return error instanceof Error ? error.constructor.name : typeof error;
}

async function reached(store: RedisStore): Promise<void> {
  await until(() =>
    store.read(newKey()).then(
      () => true,
      () => false,
    ),
  );
}

async function faultOf(operation: Promise<unknown>): Promise<StoreFault> {
  const outcome: unknown = await operation.then(
    () => 'no fault',
    (error: unknown) => error,
  );
  if (outcome instanceof StoreFault) return outcome;
  throw new Error(`expected a fault of the store, got ${String(outcome)}`);
}

async function callsOf(admin: Admin, command: string): Promise<number> {
  const text = String(await admin.sendCommand(['INFO', 'commandstats']));
  return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(text)?.[1] ?? 0);
}
