import { expect } from 'chai';
import { cookieProblem, hasCookie, readCookie, writeCookie } from '../../src/http/cookie.js';

describe('a Cookie header', () => {
  it('gives the value under the name', () => {
    expect(readCookie('session=abc', 'session')).to.equal('abc');
    expect(readCookie('a=1; session=abc; b=2', 'session')).to.equal('abc');
    expect(readCookie('a=1;session=abc', 'session')).to.equal('abc');
    expect(readCookie('session = abc ', 'session')).to.equal('abc');
    expect(readCookie('session=a=b', 'session')).to.equal('a=b');
    expect(readCookie('session=', 'session')).to.equal('');
  });

  it('gives nothing under a name that only resembles it', () => {
    for (const header of [
      'Session=abc',
      'xsession=abc',
      'session2=abc',
      'x=session=abc',
      '$session=abc',
      'session',
      ';;=;',
    ]) {
      expect(readCookie(header, 'session'), header).to.equal(undefined);
    }
    expect(readCookie(undefined, 'session')).to.equal(undefined);
    expect(readCookie('', 'session')).to.equal(undefined);
  });

  it('gives nothing under a name with more around it than spaces and tabs: browsers see no __Host- in it (ASVS 3.3.3)', () => {
    for (const byte of ['\u00a0', '\u0085', '\ufeff', '\u2000', '\v', '\f', '\0']) {
      for (const name of [`${byte}__Host-session`, `__Host-session${byte}`, ` ${byte} __Host-session`]) {
        expect(readCookie(`${name}=abc`, '__Host-session'), JSON.stringify(name)).to.equal(undefined);
        expect(hasCookie(`${name}=abc`, '__Host-session'), JSON.stringify(name)).to.equal(false);
      }
    }
    expect(readCookie('a=1;\t __Host-session\t=\tabc ', '__Host-session')).to.equal('abc');
    expect(readCookie('session=abc\u00a0', 'session')).to.equal('abc\u00a0');
  });

  it('loses the quotes around a value, if they are a pair', () => {
    expect(readCookie('session="abc"', 'session')).to.equal('abc');
    expect(readCookie('session="abc', 'session')).to.equal('"abc');
    expect(readCookie('session="', 'session')).to.equal('"');
    expect(readCookie('session=""', 'session')).to.equal('');
  });

  it('gives nothing where the name stands twice with different values, in either order', () => {
    expect(readCookie('session=abc; session=xyz', 'session')).to.equal(undefined);
    expect(readCookie('session=xyz; a=1; session=abc', 'session')).to.equal(undefined);
    expect(readCookie('session=abc; session=', 'session')).to.equal(undefined);
    expect(readCookie('session=abc; session=xyz; session=abc', 'session')).to.equal(undefined);
  });

  it('gives the value where the name stands twice with the same', () => {
    expect(readCookie('session=abc; session="abc"', 'session')).to.equal('abc');
  });

  it('takes no time over thousands of cookies', () => {
    const header = `${'a=1; '.repeat(20_000)}session=abc`;
    expect(readCookie(header, 'session')).to.equal('abc');
  });

  it('takes no time over thousands of blanks', () => {
    const blanks = ' '.repeat(100_000);
    expect(readCookie(`a${blanks}b=1; session=${blanks}abc${blanks}d`, 'session')).to.equal(`abc${blanks}d`);
  });

  it('has a cookie where the name stands, whatever the value', () => {
    expect(hasCookie('a=1; session=', 'session')).to.equal(true);
    expect(hasCookie('a=1; session =x', 'session')).to.equal(true);
    expect(hasCookie('a=1; session2=x', 'session')).to.equal(false);
    expect(hasCookie(undefined, 'session')).to.equal(false);
  });
});

describe('a Set-Cookie header', () => {
  it('has safe attributes without being asked (ASVS 3.3.2, 3.3.4)', () => {
    expect(writeCookie('session', 'abc', 60, {})).to.equal(
      'session=abc; Max-Age=60; Path=/; HttpOnly; SameSite=Lax',
    );
  });

  it('has all attributes that are asked for', () => {
    const all = {
      domain: 'a.example',
      path: '/app',
      secure: true,
      sameSite: 'none',
      httpOnly: false,
      partitioned: true,
      priority: 'high',
    } as const;
    expect(writeCookie('n', 'v', 60, all)).to.equal(
      'n=v; Max-Age=60; Path=/app; Domain=a.example; Secure; SameSite=None; Partitioned; Priority=High',
    );
  });

  it('lives at most 400 days, whatever is asked', () => {
    expect(writeCookie('n', 'v', 10 ** 12, {})).to.include('Max-Age=34560000;');
    expect(writeCookie('n', 'v', Infinity, {})).to.include('Max-Age=34560000;');
  });

  it('rounds its life up, so that it does not end before the session', () => {
    expect(writeCookie('n', 'v', 0.2, {})).to.include('Max-Age=1;');
  });

  it('ends the cookie with 0 or less, for old browsers by date too', () => {
    for (const seconds of [0, -5]) {
      expect(writeCookie('n', '', seconds, {})).to.match(
        /^n=; Max-Age=0; Path=\/; Expires=Thu, 01 Jan 1970 00:00:00 GMT;/,
      );
    }
  });
});

describe('a cookie that browsers would refuse, or read as something else', () => {
  const wrong: [string, string, Parameters<typeof cookieProblem>[1]][] = [
    ['__Host- without Secure', '__Host-s', {}],
    ['__Host- with a domain', '__Host-s', { secure: true, domain: 'a.example' }],
    ['__Host- with a path', '__Host-s', { secure: true, path: '/app' }],
    ['__Secure- without Secure', '__Secure-s', {}],
    ['SameSite=None without Secure', 's', { sameSite: 'none' }],
    ['Partitioned without Secure', 's', { partitioned: true }],
    ['a name with a separator', 's;x', {}],
    ['a name with a space', 's x', {}],
    ['a name with an equals sign', 's=x', {}],
    ['a name with a line break', 's\r\nX-Evil: 1', {}],
    ['an empty name', '', {}],
    ['a name that is too long', 's'.repeat(257), {}],
    ['a path that injects an attribute', 's', { path: '/; Domain=evil.example' }],
    ['a path with a line break', 's', { path: '/\r\nX-Evil: 1' }],
    ['a path that does not begin with a slash', 's', { path: 'app' }],
    ['a path that is too long', 's', { path: `/${'a'.repeat(1024)}` }],
    ['a domain that injects an attribute', 's', { domain: 'a.example; Secure' }],
    ['an empty domain', 's', { domain: '' }],
    ['a domain that is too long', 's', { domain: 'a'.repeat(1025) }],
    ['attributes that are too long together', 's', { domain: 'a'.repeat(500), path: `/${'a'.repeat(500)}` }],
  ];
  for (const [what, name, attributes] of wrong) {
    it(`is named: ${what}`, () => {
      expect(cookieProblem(name, attributes)).to.be.a('string').with.length.above(10);
    });
  }

  it('is none of the usual ones', () => {
    expect(cookieProblem('session', {})).to.equal(undefined);
    expect(cookieProblem('__Host-session', { secure: true, path: '/' })).to.equal(undefined);
    expect(cookieProblem('__Secure-s', { secure: true, domain: 'a.example', path: '/app' })).to.equal(
      undefined,
    );
    expect(cookieProblem('s', { secure: true, sameSite: 'none', partitioned: true })).to.equal(undefined);
  });

  it('is none as long as all that a server may ever send fits what browsers take (ASVS 3.3.5)', () => {
    const longest = { domain: 'a'.repeat(450), path: `/${'a'.repeat(449)}`, secure: true, partitioned: true };
    const name = 's'.repeat(256);
    expect(cookieProblem(name, longest)).to.equal(undefined);
    for (const [value, seconds] of [['A'.repeat(72), 10 ** 9] as const, ['', 0] as const]) {
      const cookie = writeCookie(name, value, seconds, longest);
      expect(cookie.indexOf(';')).to.be.at.most(4_096);
      expect(cookie.length - cookie.indexOf(';')).to.be.at.most(1_024);
    }
  });

  it('is a __Host- name in other letters too: browsers compare prefixes without case', () => {
    for (const name of ['__host-s', '__HOST-s', '__secure-s'])
      expect(cookieProblem(name, {}), name).to.be.a('string');
  });
});
