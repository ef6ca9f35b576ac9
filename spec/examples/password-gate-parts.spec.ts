import { expect } from 'chai';
import { html } from '../../examples/password-gate/html.js';
import { localPath } from '../../examples/password-gate/local-path.js';
import { readSettings } from '../../examples/password-gate/settings.js';
import { Throttle } from '../../examples/password-gate/throttle.js';
import { ELSEWHERE } from './elsewhere.js';
import { PASSWORD } from './gate-site.js';

describe('the parts of that example', () => {
  it('refuse settings that are wrong, and repeat no value', () => {
    const refusals: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
      [{}, 'APP_PASSWORD must be set'],
      [{ APP_PASSWORD: 'canary' }, 'APP_PASSWORD must have at least 8 characters'],
      [{ APP_PASSWORD: PASSWORD, REQUIRE_APP_AUTH: 'canary' }, 'REQUIRE_APP_AUTH must be true or false'],
      [{ APP_PASSWORD: PASSWORD, TRUST_PROXY: 'canary' }, 'TRUST_PROXY must be true or false'],
      [{ APP_PASSWORD: PASSWORD, PORT: 'canary' }, 'PORT must be a whole number'],
    ];
    for (const [env, message] of refusals) {
      expect(() => readSettings(env)).to.throw(message);
      expect(() => readSettings(env)).to.not.throw(/canary|sesame/);
    }
    expect(readSettings({ APP_PASSWORD: PASSWORD })).to.deep.equal({
      password: PASSWORD,
      port: 3000,
      fresh: 300_000,
      proxy: false,
    });
  });

  it('know which paths lead nowhere else', () => {
    for (const next of [...ELSEWHERE, null, undefined]) expect(localPath(next), String(next)).to.equal('/');
    for (const next of ['/', '/sessions', '/a?b=//c', '/%0d%0aSet-Cookie:a=b'])
      expect(localPath(next)).to.equal(next);
    expect(localPath('/a\\b#c')).to.equal('/a/b');
  });

  it('forget a guesser after a minute, or at a right answer, and the oldest where there are too many', () => {
    const throttle = new Throttle();
    const waits = Array.from({ length: 7 }, () => throttle.attempt('a', 1_000));
    expect(waits).to.deep.equal([0, 0, 0, 0, 0, 60, 60]);
    expect(throttle.attempt('a', 60_999)).to.equal(1);
    expect(throttle.attempt('a', 61_000)).to.equal(0);
    for (let attempt = 0; attempt < 5; attempt += 1) throttle.attempt('b', 61_000);
    expect(throttle.attempt('b', 61_000)).to.equal(60);
    for (let other = 0; other < 10_000; other += 1) throttle.attempt(`other ${other}`, 61_000);
    expect(throttle.attempt('b', 61_000)).to.equal(0);
  });

  it('escape whatever is put into a page', () => {
    const inner = html`<i>${`'"<>&`}</i>`;
    expect(html`${inner}${[inner]}${undefined}${7}`.text).to.equal(
      '<i>&#39;&#34;&#60;&#62;&#38;</i>'.repeat(2) + '7',
    );
  });
});
