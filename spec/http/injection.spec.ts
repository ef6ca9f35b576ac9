import { expect } from 'chai';
import type { Context } from 'koa';
import { createSessions, healthRoutes } from '../../src/create.js';
import type { CookieAttributes } from '../../src/http/cookie.js';
import type { SessionOptions } from '../../src/options.js';
import { newSecret, openSite, type Site, TestApp } from '../support/app.js';
import { rawExchange } from '../support/raw.js';

/** What may end a line, an attribute, a list or a string for somebody on the way, and what is merely long. */
const HOSTILE = [
  '\r\nX-Evil: 1',
  '\nX-Evil: 1',
  '\rX-Evil: 1',
  '\0',
  '; X-Evil',
  ';X-Evil=1',
  ', X-Evil=1',
  ' ',
  '\t',
  '"',
  '\\',
  '=X-Evil',
  '\u007f',
  '\u0085',
  '\u00a0',
  'é',
  '\u2028',
  '\u010d\u010a',
  '\uff1b',
  '\u{1f36a}',
  '\ud800',
  '%0d%0aX-Evil: 1',
  '%00',
  '*',
  '../..',
  'A'.repeat(5_000),
];

/** As a whole, before, after and within what would be right. */
const around = (hostile: string, right: string): string[] => [
  hostile,
  hostile + right,
  right + hostile,
  right.slice(0, 2) + hostile + right.slice(2),
];

const inputsFor = (right: string): string[] => HOSTILE.flatMap(hostile => around(hostile, right));

const COOKIE_OPTIONS: Readonly<Record<string, string>> = {
  name: 'sid',
  domain: 'a.example',
  path: '/app',
  sameSite: 'lax',
  priority: 'high',
};

/** Names of headers that a response has when nobody attacks. */
const USUAL = ['Vary', 'Set-Cookie', 'Cache-Control', 'Content-Type', 'Content-Length', 'Date', 'Connection'];
const ATTRIBUTE =
  /^(?:Max-Age=\d{1,8}|Path=\/[ -:<-~]*|Domain=[A-Za-z0-9.-]+|HttpOnly|Secure|SameSite=(?:Lax|Strict|None)|Priority=(?:Low|Medium|High)|Partitioned)$/;

function write(ctx: Context): void {
  ctx.session['seen'] = true;
  ctx.body = 'ok';
}

/** Throws unless the response sets one cookie, of attributes that are known, and has the usual headers alone. */
function expectInert(response: string, input: string): void {
  const [head = ''] = response.split('\r\n\r\n', 1);
  const [status, ...lines] = head.split('\r\n');
  const shown = JSON.stringify(input).slice(0, 100);
  expect(status, shown).to.equal('HTTP/1.1 200 OK');
  expect(head.replaceAll('\r\n', ''), shown).to.not.match(/[\r\n\0]/);
  expect(
    lines.map(line => line.slice(0, line.indexOf(':'))),
    shown,
  ).to.have.members(USUAL);
  const [pair = '', ...attributes] = (/^Set-Cookie: (.*)$/m.exec(head)?.[1] ?? '').split('; ');
  expect(pair, shown).to.match(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+=[\w-]{72}$/);
  expect(pair.length, shown).to.be.at.most(4_096);
  for (const attribute of attributes) expect(attribute, shown).to.match(ATTRIBUTE);
  expect(attributes.join('; ').length, shown).to.be.at.most(1_024);
}

const rawGet = (app: TestApp, more: readonly string[] = [], path = '/'): Promise<string> =>
  rawExchange(Number(new URL(app.url).port), [`GET ${path} HTTP/1.1`, 'Host: a.example', ...more]);

/** Whether construction refuses these options, as it refuses all that it does not take. */
function isRefused(options: object): boolean {
  try {
    // Wrong on purpose: the types would not let some of it pass.
    const given = { redis: false, secret: newSecret(), logger: false, ...options } as SessionOptions;
    createSessions(given, { env: {} })
      .close()
      .catch(() => undefined);
    return false;
  } catch (error) {
    expect(error).to.have.property('code', 'CONFIG_INVALID');
    return true;
  }
}

describe('what is injected', () => {
  let site: Site | undefined;
  afterEach(() => site?.close());

  for (const [option, right] of Object.entries(COOKIE_OPTIONS)) {
    const inputs = inputsFor(right);
    it(`into cookie.${option} is refused or inert: ${inputs.length} inputs (ASVS 3.3.5)`, async () => {
      let refused = 0;
      for (const input of inputs) {
        const cookie = { [option]: input };
        if (isRefused({ cookie })) refused += 1;
        else {
          site = await openSite(write, { cookie });
          expectInert(await rawGet(site.app), input);
          await site.close();
          site = undefined;
        }
      }
      expect(refused).to.be.above(inputs.length / 2);
    });
  }

  for (const [option, right] of Object.entries(COOKIE_OPTIONS)) {
    if (option === 'name') continue;
    const inputs: readonly unknown[] = [...inputsFor(right), 7, null, {}, [right]];
    it(`into ${option} by a function of the request is refused or inert: ${inputs.length} inputs`, async () => {
      let input: unknown;
      // Wrong on purpose, as plain JavaScript may be.
      site = await openSite(write, { cookie: () => ({ [option]: input }) as CookieAttributes });
      for (input of inputs) {
        const response = await rawGet(site.app);
        if (response.startsWith('HTTP/1.1 500 ')) {
          expect(response).to.not.match(/^Set-Cookie|X-Evil/m);
          expect(site.app.errors.at(-1)).to.have.property('code', 'CONFIG_INVALID');
        } else expectInert(response, String(input));
      }
    });
  }

  it('into flags by a function of the request is refused', async () => {
    let given: object = {};
    site = await openSite(write, { cookie: () => given });
    for (const flag of ['secure', 'httpOnly', 'partitioned'])
      for (const value of ['no', 'false', 1, 0, null, '; X-Evil']) {
        given = { [flag]: value };
        expect(await rawGet(site.app), JSON.stringify(given)).to.match(/^HTTP\/1\.1 500 /);
      }
    given = { 'X-Evil': true };
    expect(await rawGet(site.app)).to.match(/^HTTP\/1\.1 500 /);
  });

  const hosts = inputsFor('a.example').filter(host => host.length < 10_000);
  it(`into Host and X-Forwarded-Host reaches no cookie whose domain is made of them: ${2 * hosts.length} inputs`, async () => {
    site = await openSite(write, { cookie: ctx => ({ domain: ctx.hostname }) });
    site.app.koa.proxy = true;
    const port = Number(new URL(site.app.url).port);
    for (const host of hosts) {
      for (const head of [[`Host: ${host}`], ['Host: a.example', `X-Forwarded-Host: ${host}`]]) {
        const response = await rawExchange(port, ['GET / HTTP/1.1', ...head]);
        if (response.startsWith('HTTP/1.1 200 ')) expectInert(response, host);
        else
          expect(response)
            .to.match(/^HTTP\/1\.1 (400|500) /)
            .and.not.match(/^(Set-Cookie|X-Evil)/m);
      }
    }
  });

  it('into X-Forwarded-Proto and -For reaches no header at all', async () => {
    site = await openSite(write);
    site.app.koa.proxy = true;
    for (const input of inputsFor('https')) {
      const response = await rawGet(site.app, [`X-Forwarded-Proto: ${input}`, `X-Forwarded-For: ${input}`]);
      if (!response.startsWith('HTTP/1.1 400 ') && !response.includes('X-Evil')) expectInert(response, input);
      expect(response).to.not.match(/^X-Evil/m);
    }
  });

  const paths = inputsFor('/app');
  it(`into the path of a request reaches no cookie whose path is made of it: ${paths.length} inputs`, async () => {
    site = await openSite(write, { cookie: ctx => ({ path: ctx.path }) });
    for (const input of paths) {
      const response = await rawGet(site.app, [], `/${input}`);
      if (response.startsWith('HTTP/1.1 200 ')) expectInert(response, input);
      else
        expect(response)
          .to.match(/^HTTP\/1\.1 (400|500) /)
          .and.not.match(/^(Set-Cookie|X-Evil)/m);
    }
  });

  const names: Readonly<Record<string, string>> = { prefix: 'sess:', as: 'cart' };
  for (const [option, right] of Object.entries(names)) {
    it(`into ${option} is refused or inert: ${inputsFor(right).length} inputs`, async () => {
      for (const input of inputsFor(right)) {
        if (isRefused({ [option]: input })) continue;
        const name = option === 'as' ? input : 'session';
        const use = (ctx: Context): void => {
          Reflect.get(ctx, name)['seen'] = true;
          ctx.body = 'ok';
        };
        site = await openSite(use, { [option]: input });
        expectInert(await rawGet(site.app), input);
        await site.close();
        site = undefined;
      }
    });
  }

  it(`into the path of the health route is refused or matches nothing else: ${inputsFor('/up').length} inputs`, async () => {
    site = await openSite(write);
    for (const input of inputsFor('/up')) {
      try {
        const app = await TestApp.serve(healthRoutes(site.sessions, { path: input }));
        expect(input).to.match(/^\/[\w\-./~%]{0,255}$/);
        expect(await rawGet(app))
          .to.match(/^HTTP\/1\.1 404 /)
          .and.not.include('X-Evil');
        await app.close();
      } catch (error) {
        expect(error).to.have.property('code', 'CONFIG_INVALID');
      }
    }
  });

  it('into maxAge is refused, or a number of at most 400 days', async () => {
    let given: unknown;
    site = await openSite(ctx => {
      Reflect.set(ctx.session, 'maxAge', given);
      write(ctx);
    });
    const wrong = [0, -1, 1.5, NaN, Infinity, null, {}, [], '60', '60; X-Evil', '1\r\nX-Evil: 1', 1n, true];
    for (given of wrong) expect(await rawGet(site.app), String(given)).to.match(/^HTTP\/1\.1 500 /);
    for (given of [60_000, 2 ** 31, 2 ** 53, 1e300, Number.MAX_VALUE])
      expectInert(await rawGet(site.app), String(given));
  });
});
