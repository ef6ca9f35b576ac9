import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { type Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { findRedis, searchRedis } from './find-redis.js';
import { RedisServer, stopAllServers } from './redis-server.js';
import { TcpProxy } from './tcp-proxy.js';

const ORPHAN = fileURLToPath(new URL('fixtures/orphan.ts', import.meta.url));

/** A connection that keeps all it was answered; answers are one line each here, bulks are two. */
class Client {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  text = '';
  #wake: () => void = () => undefined;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setEncoding('utf8').on('error', () => undefined);
    this.socket.on('data', (chunk: string) => {
      this.text += chunk;
      this.#wake();
    });
    this.closed = new Promise(resolve => this.socket.once('close', () => resolve()));
  }

  send(command: string): void {
    this.socket.write(`${command}\r\n`);
  }

  async ask(command: string): Promise<string> {
    this.text = '';
    this.send(command);
    return this.answer();
  }

  async answer(): Promise<string> {
    while (!isWhole(this.text)) {
      const arrived = new Promise<true>(resolve => (this.#wake = () => resolve(true)));
      const more = await Promise.race([arrived, this.closed]);
      if (more !== true) throw new Error(`closed after ${JSON.stringify(this.text)}`);
    }
    return this.text.trimEnd();
  }
}

function isWhole(text: string): boolean {
  const lines = text.split('\r\n').length - 1;
  return lines >= (text.startsWith('$') && !text.startsWith('$-1') ? 2 : 1);
}

async function ask(port: number, command: string): Promise<string> {
  const client = new Client(port);
  try {
    return await client.ask(command);
  } finally {
    client.socket.destroy();
  }
}

/** Polls, for what announces itself in no other way. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`still not so: ${String(condition)}`);
    await sleep(10);
  }
}

// An orphan is reaped by whatever is pid 1, which in a container may never do it.
function isZombie(pid: number): boolean {
  try {
    return /^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch {
    return false;
  }
}

function codeOf(action: () => void): unknown {
  try {
    action();
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}

interface Orphanage {
  child: ChildProcess;
  pid: number;
  dir: string;
}

const children: ChildProcess[] = [];

async function startOrphanage(...args: string[]): Promise<Orphanage> {
  const child = spawn(process.execPath, ['--import', 'tsx', ORPHAN, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, REDISMS_SYSTEM_BINARY: await findRedis() },
  });
  children.push(child);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await until(() => text.includes('\n') || child.exitCode !== null);
  const [, pid, dir] = /^(\d+) (.+)\n/.exec(text) ?? [];
  if (pid === undefined || dir === undefined) throw new Error(`the fixture said: ${text}`);
  return { child, pid: Number(pid), dir };
}

// One suite around all, because hooks outside of one apply to every other spec file as well.
describe('test support', () => {
  before(async function () {
    // Nothing installed means a download or an installation first.
    this.timeout(600_000);
    await findRedis();
  });

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await stopAllServers();
  });

  describe('a Redis server for tests', () => {
    it('starts and answers', async () => {
      const server = await RedisServer.start();
      expect(server.url).to.equal(`redis://127.0.0.1:${server.port}`);
      expect(await ask(server.port, 'SET colour green')).to.equal('+OK');
      expect(await ask(server.port, 'GET colour')).to.equal('$5\r\ngreen');
    });

    it('keeps its data over a kill and a restart on the same port when persistent', async () => {
      const server = await RedisServer.start({ persistent: true });
      const first = server.pid;
      await ask(server.port, 'SET colour green');
      await server.kill();
      await server.kill();
      expect(isRunning(first)).to.equal(false);
      await server.restart();
      expect(server.pid).not.to.equal(first);
      expect(await ask(server.port, 'GET colour')).to.equal('$5\r\ngreen');
    });

    it('comes back empty when not persistent', async () => {
      const server = await RedisServer.start();
      await ask(server.port, 'SET colour green');
      await server.restart();
      expect(await ask(server.port, 'GET colour')).to.equal('$-1');
    });

    it('comes back empty when its disk was wiped, which it allows only while dead', async () => {
      const server = await RedisServer.start({ persistent: true });
      await ask(server.port, 'SET colour green');
      const refusal = await server.wipe().catch((error: unknown) => error);
      expect(refusal).to.be.an('error').with.property('message', 'cannot wipe under a running server');
      await server.kill();
      await server.wipe();
      expect(await readdir(server.dir)).to.deep.equal([]);
      await server.restart();
      expect(await ask(server.port, 'GET colour')).to.equal('$-1');
    });

    it('takes arguments, and others at a restart', async () => {
      const server = await RedisServer.start({ args: ['--databases', '3'] });
      expect(await ask(server.port, 'SELECT 2')).to.equal('+OK');
      await server.restart(['--databases', '2']);
      expect(await ask(server.port, 'SELECT 2')).to.match(/^-ERR/);
    });

    it('stalls when frozen and resumes when thawed', async () => {
      const [server, witness] = await Promise.all([RedisServer.start(), RedisServer.start()]);
      const client = new Client(server.port);
      expect(await client.ask('PING')).to.equal('+PONG');
      server.freeze();
      client.text = '';
      client.send('SET colour green');
      for (let round = 0; round < 50; round += 1) await ask(witness.port, 'PING');
      expect(client.text).to.equal('');
      server.thaw();
      expect(await client.answer()).to.equal('+OK');
      client.socket.destroy();
    });

    it('can be killed while frozen', async () => {
      const server = await RedisServer.start();
      server.freeze();
      await server.kill();
      expect(isRunning(server.pid)).to.equal(false);
      expect(() => server.freeze()).to.throw('dead server');
      server.thaw();
    });

    it('leaves no process and no directory when stopped', async () => {
      const server = await RedisServer.start();
      await server.stop();
      await server.stop();
      expect(codeOf(() => process.kill(server.pid, 0))).to.equal('ESRCH');
      expect(existsSync(server.dir)).to.equal(false);
    });

    it('says what the server logged when that does not start', async () => {
      const failure = await RedisServer.start({ args: ['--no-such-option', 'yes'] }).catch(
        (error: unknown) => error,
      );
      expect(failure).to.be.an('error').with.property('message').that.includes('no-such-option');
    });

    it('waits for its port to be given up by another server', async () => {
      const server = await RedisServer.start();
      await server.kill();
      const squatter = await RedisServer.start({ port: server.port });
      await ask(squatter.port, 'SET owner squatter');
      const restarted = server.restart();
      await squatter.stop();
      await restarted;
      expect(await ask(server.port, 'GET owner')).to.equal('$-1');
      expect(isRunning(server.pid)).to.equal(true);
    });
  });

  describe('a test process that ends without stopping its server', () => {
    const signals: NodeJS.Signals[] = ['SIGKILL', 'SIGINT', 'SIGTERM'];
    for (const signal of signals) {
      it(`leaves no server behind when it ends by ${signal}`, async () => {
        const { child, pid, dir } = await startOrphanage();
        expect(isRunning(pid)).to.equal(true);
        child.kill(signal);
        await once(child, 'exit');
        expect(child.signalCode).to.equal(signal);
        await until(() => !isRunning(pid));
        await until(() => !existsSync(dir));
      });
    }

    it('is not kept alive by the server, and leaves none behind', async () => {
      const { child, pid, dir } = await startOrphanage('leave');
      await until(() => child.exitCode !== null);
      expect(child.exitCode).to.equal(0);
      await until(() => !isRunning(pid));
      await until(() => !existsSync(dir));
    });
  });

  describe('the search for a Redis', () => {
    it('honours REDISMS_SYSTEM_BINARY before the PATH', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'find-redis-'));
      const path = join(folder, 'my-redis');
      await symlink(await findRedis(), path);
      const said: string[] = [];
      const env = { ...process.env, REDISMS_SYSTEM_BINARY: path };
      expect(await searchRedis(line => said.push(line), env)).to.equal(path);
      expect(said).to.deep.equal([`Redis: ${path} (REDISMS_SYSTEM_BINARY)`]);
      await rm(folder, { recursive: true });
    });

    it('finds a valkey-server on the PATH when the variable names no file', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'find-redis-'));
      const path = join(folder, 'valkey-server');
      await symlink(await findRedis(), path);
      const said: string[] = [];
      const env = { PATH: folder, REDISMS_SYSTEM_BINARY: join(folder, 'absent') };
      expect(await searchRedis(line => said.push(line), env)).to.equal(path);
      expect(said).to.have.length(2);
      expect(said[0]).to.include('not an executable file');
      await rm(folder, { recursive: true });
    });

    it('says what to install when every step failed', async () => {
      const failure = await searchRedis(() => undefined, {}, []).catch((error: unknown) => error);
      expect(failure)
        .to.be.an('error')
        .with.property('message')
        .that.matches(/apt-get install.+brew install.+REDISMS_SYSTEM_BINARY/);
    });
  });

  describe('a proxy before a Redis server', () => {
    let server: RedisServer;
    let proxy: TcpProxy;
    let client: Client;

    beforeEach(async () => {
      server = await RedisServer.start();
      proxy = await TcpProxy.start(server.port);
      client = new Client(proxy.port);
      expect(await client.ask('PING')).to.equal('+PONG');
      client.text = '';
    });

    afterEach(async () => {
      client.socket.destroy();
      await proxy.close();
    });

    it('passes requests and replies', async () => {
      expect(proxy.url).to.equal(`redis://127.0.0.1:${proxy.port}`);
      expect(await client.ask('SET colour green')).to.equal('+OK');
      expect(await ask(server.port, 'GET colour')).to.equal('$5\r\ngreen');
    });

    it('drops the reply of a write that was applied', async () => {
      proxy.mode = 'drop-replies';
      client.send('SET colour green');
      await until(() => proxy.lost > 0);
      expect(await ask(server.port, 'GET colour')).to.equal('$5\r\ngreen');
      proxy.mode = 'pass';
      await client.closed;
      expect(client.text).to.equal('');
      expect(await ask(proxy.port, 'PING')).to.equal('+PONG');
    });

    it('loses requests one way, and passes the replies that were under way', async () => {
      client.send('BLPOP list 0');
      await until(async () => (await ask(server.port, 'CLIENT LIST')).includes('cmd=blpop'));
      proxy.mode = 'drop-requests';
      client.send('SET colour green');
      await until(() => proxy.lost > 0);
      await ask(server.port, 'RPUSH list first');
      await until(() => client.text.includes('first'));
      expect(await ask(server.port, 'GET colour')).to.equal('$-1');
      proxy.mode = 'pass';
      await client.closed;
    });

    it('lets bytes through at its rate, in order', async () => {
      await ask(server.port, `SET large ${'x'.repeat(2_000)}`);
      proxy.rate = 10_000;
      const began = performance.now();
      client.send('GET large');
      client.send('PING');
      await until(() => client.text.endsWith('+PONG\r\n'));
      expect(client.text).to.have.length(2_000 + '$2000\r\n\r\n+PONG\r\n'.length);
      expect(performance.now() - began).to.be.at.least(200);
    });

    it('leads to another server once it is retargeted', async () => {
      const other = await RedisServer.start();
      await ask(other.port, 'SET owner other');
      proxy.retarget(other.port);
      await client.closed;
      expect(await ask(proxy.port, 'GET owner')).to.equal('$5\r\nother');
    });

    it('loses a request in a blackhole, and ends that connection afterwards', async () => {
      proxy.mode = 'blackhole';
      client.send('SET colour green');
      await until(() => proxy.lost > 0);
      expect(client.socket.destroyed).to.equal(false);
      expect(await ask(server.port, 'GET colour')).to.equal('$-1');
      proxy.mode = 'pass';
      await client.closed;
      expect(client.text).to.equal('');
      expect(await ask(proxy.port, 'GET colour')).to.equal('$-1');
    });

    it('accepts in a blackhole and hides there that the server is gone', async () => {
      proxy.mode = 'blackhole';
      const late = new Client(proxy.port);
      await once(late.socket, 'connect');
      await server.kill();
      late.send('PING');
      await until(() => proxy.lost > 0);
      expect([client.socket.destroyed, late.socket.destroyed]).to.deep.equal([false, false]);
      proxy.mode = 'pass';
      await Promise.all([client.closed, late.closed]);
    });

    it('ends old connections, and new ones at once, while it refuses', async () => {
      proxy.mode = 'refuse';
      await client.closed;
      const late = new Client(proxy.port);
      late.send('SET colour green');
      await late.closed;
      expect(late.text).to.equal('');
      proxy.mode = 'pass';
      expect(await ask(proxy.port, 'GET colour')).to.equal('$-1');
    });

    it('keeps the order when the delay shrinks', async () => {
      proxy.delay = 50;
      client.send('RPUSH list first');
      // Then the reply is on its way through the proxy, with the longer delay.
      await until(async () => (await ask(server.port, 'LLEN list')) === ':1');
      proxy.delay = 0;
      client.send('LINDEX list 0');
      await until(() => client.text.split('\r\n').length > 3);
      expect(client.text).to.equal(':1\r\n$5\r\nfirst\r\n');
    });

    it('passes on that the server closed', async () => {
      await server.kill();
      await client.closed;
    });

    it('ends the connections there are on reset, and takes new ones', async () => {
      proxy.reset();
      await client.closed;
      expect(await ask(proxy.port, 'PING')).to.equal('+PONG');
    });

    it('refuses the connection after it was closed', async () => {
      await proxy.close();
      await client.closed;
      const [error] = await once(connect(proxy.port, '127.0.0.1'), 'error');
      expect(error).to.have.property('code', 'ECONNREFUSED');
    });
  });
});
