import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';

// Reads lines "+<entry>" and "-<entry>", an entry being a pid or the path of a temp directory. Its
// stdin ends when the test process does, however that came about.
const GUARD_SOURCE = `
const { rmSync } = require('node:fs');
const held = new Set();
let rest = '';
const note = line => held[line[0] === '+' ? 'add' : 'delete'](line.slice(1));
const attempt = action => { try { action(); } catch {} };
const clean = () => {
  const left = [...held];
  const isPid = entry => /^[0-9]+$/.test(entry);
  const remove = dir => rmSync(dir, { recursive: true, force: true, maxRetries: 20 });
  left.filter(isPid).forEach(pid => attempt(() => process.kill(Number(pid), 'SIGKILL')));
  left.filter(entry => !isPid(entry)).forEach(dir => attempt(() => remove(dir)));
  process.exit();
};
['SIGHUP', 'SIGINT', 'SIGTERM'].forEach(name => process.on(name, () => {}));
process.stdin.setEncoding('utf8').on('end', clean).on('error', clean).on('data', text => {
  const lines = (rest + text).split('\\n');
  rest = lines.pop();
  lines.forEach(note);
});
`;

/** The one child process that outlives this one, to end what this one could not end itself. */
class Guard {
  readonly #held = new Set<string>();
  #process: ChildProcess | undefined;

  hold(entry: string): void {
    this.#held.add(entry);
    if (this.#process === undefined) this.#spawn();
    else this.#tell(`+${entry}`);
  }

  release(entry: string): void {
    if (this.#held.delete(entry)) this.#tell(`-${entry}`);
  }

  #tell(line: string): void {
    this.#process?.stdin?.write(`${line}\n`);
  }

  #spawn(): void {
    const { NODE_OPTIONS: _options, NODE_V8_COVERAGE: _coverage, ...env } = process.env;
    const guard = spawn(process.execPath, ['-e', GUARD_SOURCE], {
      cwd: tmpdir(),
      detached: true,
      env,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const forget = (): void => {
      if (this.#process === guard) this.#process = undefined;
    };
    guard.on('exit', forget).on('error', forget).unref();
    guard.stdin.on('error', forget);
    if (guard.stdin instanceof Socket) guard.stdin.unref();
    this.#process = guard;
    for (const entry of this.#held) this.#tell(`+${entry}`);
  }
}

/** Of all servers that the tests start. */
export const guard = new Guard();
