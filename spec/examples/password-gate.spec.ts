import { expect } from 'chai';
import { Browser, hiddenIn } from './browser.js';
import { ELSEWHERE } from './elsewhere.js';
import { GateProgram } from './gate-program.js';
import { areIn, GateSite, give, idOf, listed, PASSWORD, stale } from './gate-site.js';

const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) ' +
  'Version/18.5 Mobile/15E148 Safari/604.1';
const FORM = 'application/x-www-form-urlencoded';

describe('the example of an app behind one password', function () {
  this.timeout(120_000);
  let site: GateSite;
  /** Over the same Redis, and soon asks for the password again. */
  let hasty: GateProgram;

  before(async () => {
    site = await GateSite.open();
    hasty = await site.start({ STEP_UP_SECONDS: '3' });
  });
  after(() => site.close());

  it('shows nothing but the question to who has not answered it', async () => {
    for (const path of ['/', '/sessions', '/api-key', '/there-is-no-such-page']) {
      const answer = await site.browser().send('GET', path);
      expect(answer.status, path).to.equal(303);
      expect(answer.header('location')).to.equal(`/login?next=${encodeURIComponent(path)}`);
      const { text } = await site.browser().open(path);
      expect(text).to.include('<h1>Log in</h1>').and.not.include('<nav>');
    }
    for (const path of ['/note', '/logout', '/sessions/end-all'])
      expect((await site.browser().post(path, {})).header('location')).to.equal('/login?next=%2F');
  });

  it('says of a wrong password that it is wrong, and no more', async () => {
    const visitor = site.browser();
    for (const wrong of ['open sesame', `${PASSWORD} `, '']) {
      const { status, text } = await give(visitor, wrong);
      expect(status).to.equal(403);
      expect(text).to.include('Wrong password.').and.not.include('sesame');
    }
    expect(await areIn(visitor)).to.deep.equal([false]);
    expect((await give(visitor, PASSWORD)).status).to.equal(200);
  });

  it('leads on to where the visitor wanted to go', async () => {
    const { path } = await give(site.browser(), PASSWORD, '/sessions?from=a+link');
    expect(path).to.equal('/sessions?from=a+link');
  });

  it('gives another id at login: the cookie of before is dead (ASVS 7.2.4)', async () => {
    const visitor = site.browser();
    await visitor.open('/login');
    const planted = visitor.copy();
    await give(visitor, PASSWORD);
    expect(visitor.cookie).not.to.equal(planted.cookie);
    expect(await areIn(visitor, planted)).to.deep.equal([true, false]);
  });

  it('ends the session at logout, for whoever has its cookie (ASVS 7.4.1)', async () => {
    const visitor = await site.loggedIn();
    const thief = visitor.copy();
    const { text } = await visitor.submit(await visitor.open('/'), '/logout');
    expect(text).to.include('<h1>Log in</h1>');
    expect(await areIn(thief)).to.deep.equal([false]);
  });

  it('makes no session for who is shown no form', async () => {
    const visitor = site.browser();
    for (const path of ['/', '/style.css', '/health/session']) await visitor.send('GET', path);
    expect(visitor.cookie).to.equal('');
  });

  it('keeps what is noted, and shows it as text', async () => {
    const visitor = await site.loggedIn();
    await visitor.submit(await visitor.open('/'), '/note', { note: '"><script>alert(1)</script>' });
    const { text } = await visitor.open('/');
    expect(text).to.include('value="&#34;&#62;&#60;script&#62;').and.not.include('<script');
  });

  describe('takes a form of its own pages alone (ASVS 3.5.1)', () => {
    let visitor: Browser;
    let own: Readonly<Record<string, string>>;
    beforeEach(async () => {
      visitor = await site.loggedIn();
      own = hiddenIn(await visitor.open('/'), '/note');
    });

    const statusOf = async (fields: Readonly<Record<string, string>>, headers = {}): Promise<number> =>
      (await visitor.post('/note', { note: 'x', ...fields }, headers)).status;

    it('not with the token of another session, nor with none', async () => {
      const other = await site.loggedIn();
      expect(await statusOf(hiddenIn(await other.open('/'), '/note'))).to.equal(403);
      expect(await statusOf({})).to.equal(403);
      expect(await statusOf(own)).to.equal(303);
    });

    it('not with the token of before the login', async () => {
      visitor = site.browser();
      const before = hiddenIn(await visitor.open('/login'), '/login');
      await give(visitor, PASSWORD);
      expect(await statusOf(before)).to.equal(403);
    });

    it('not from another site, whatever token it brings', async () => {
      for (const site of ['cross-site', 'same-site', 'none'])
        expect(await statusOf(own, { 'Sec-Fetch-Site': site })).to.equal(403);
      for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1'])
        expect(await statusOf(own, { 'Sec-Fetch-Site': '', Origin: origin })).to.equal(403);
      expect(await statusOf(own, { 'Sec-Fetch-Site': '' })).to.equal(303);
      expect(await statusOf(own, { 'Sec-Fetch-Site': '', Origin: '' })).to.equal(303);
    });

    it('not to log somebody in unasked', async () => {
      visitor = site.browser();
      const { status } = await visitor.post('/login', { password: PASSWORD });
      expect(status).to.equal(403);
      expect(await areIn(visitor)).to.deep.equal([false]);
    });
  });

  it('asks again before what is sensitive, unless the answer is fresh (ASVS 7.5.3)', async () => {
    const calm = await site.loggedIn();
    expect((await calm.open('/api-key')).text).to.include('<code>');
    const visitor = calm.copy(hasty.url);
    await stale(visitor);
    expect((await visitor.open('/')).text).to.include('<h1>Note</h1>');
    const question = await visitor.open('/api-key');
    expect(question.text).to.include('Your password again, please').and.not.include('<code>');
    expect((await visitor.submit(question, '/login', { password: 'a guess' })).status).to.equal(403);
    const before = visitor.copy();
    const shown = await give(visitor, PASSWORD, '/api-key');
    expect(shown.path).to.equal('/api-key');
    expect(shown.text).to.include('<code>');
    expect(await areIn(before)).to.deep.equal([false]);
    expect(await areIn(visitor)).to.deep.equal([true]);
  });

  describe('shows the sessions of its user (ASVS 7.5.2)', () => {
    let laptop: Browser;
    let phone: Browser;
    let tablet: Browser;
    beforeEach(async () => {
      const first = await site.loggedIn();
      await first.submit(await first.open('/sessions'), '/sessions/end-all');
      laptop = await site.loggedIn('Laptop');
      phone = await site.loggedIn('Phone');
      tablet = await site.loggedIn('Tablet');
    });

    it('with the one that looks marked, and no other user’s ids but their own', async () => {
      expect(await listed(phone)).to.have.members(['Laptop', '[Phone]', 'Tablet']);
      expect(await listed(laptop)).to.have.members(['[Laptop]', 'Phone', 'Tablet']);
    });

    it('and ends one of them', async () => {
      const page = await laptop.open('/sessions');
      const { csrf = '' } = hiddenIn(page, '/sessions/end');
      await laptop.post('/sessions/end', { csrf, id: idOf(page, 'Phone') });
      expect(await areIn(laptop, phone, tablet)).to.deep.equal([true, false, true]);
      await laptop.post('/sessions/end', { csrf, id: idOf(page, 'Laptop') });
      expect(await areIn(laptop, phone, tablet)).to.deep.equal([false, false, true]);
      expect(laptop.cookie).to.equal('');
    });

    it('and ends all others (ASVS 7.4.3)', async () => {
      const { text } = await laptop.submit(await laptop.open('/sessions'), '/sessions/end-others');
      expect(text).to.include('Ended: 2.');
      expect(await areIn(laptop, phone, tablet)).to.deep.equal([true, false, false]);
      expect(await listed(laptop)).to.deep.equal(['[Laptop]']);
    });

    it('and logs out everywhere', async () => {
      const { text } = await laptop.submit(await laptop.open('/sessions'), '/sessions/end-all');
      expect(text).to.include('<h1>Logged out everywhere.</h1>');
      expect(await areIn(laptop, phone, tablet)).to.deep.equal([false, false, false]);
      expect(laptop.cookie).to.equal('');
    });

    it('but ends none of them unless the password was given just now', async () => {
      const visitor = laptop.copy(hasty.url);
      await stale(visitor);
      const page = await visitor.open('/sessions');
      for (const action of ['/sessions/end', '/sessions/end-others', '/sessions/end-all']) {
        const { path } = await visitor.submit(page, action);
        expect(path).to.equal('/login?next=%2Fsessions');
      }
      expect(await areIn(laptop, phone, tablet)).to.deep.equal([true, true, true]);
    });

    it('by labels that are cut, that are text, and that no header can break', async () => {
      for (const agent of [`<b>${'x'.repeat(500)}`, 'tab\tand À', '', IPHONE]) await site.loggedIn(agent);
      const labels = await listed(laptop);
      expect(labels).to.include(`&#60;b&#62;${'x'.repeat(97)}`);
      expect(labels).to.include(
        '(iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Mobile/15E148 Safari/604.1',
      );
      expect(labels).to.include('tab and Ã').and.to.include('a browser without a name');
    });
  });

  it('leads to no other site (ASVS 3.7.2)', async () => {
    for (const next of ELSEWHERE) {
      const visitor = site.browser();
      const page = await visitor.open(`/login?next=${encodeURIComponent(next)}`);
      const fields = { ...hiddenIn(page, '/login'), password: PASSWORD };
      expect((await visitor.post('/login', { ...fields, next })).header('location'), next).to.equal('/');
    }
  });

  it('stays upright under what no form of it sends', async () => {
    const visitor = site.browser();
    await visitor.open('/login');
    const send = async (body: string, headers = {}): Promise<number> =>
      (await visitor.send('POST', '/login', { body, headers: { 'Content-Type': FORM, ...headers } })).status;
    expect(await send('x'.repeat(1_000_000))).to.equal(413);
    expect(await send('x'.repeat(1_000_000), { 'Transfer-Encoding': 'chunked' })).to.equal(413);
    for (const type of ['application/json', 'multipart/form-data; boundary=x', 'text/plain', 'nonsense', ''])
      expect(await send('{"csrf":1}', { 'Content-Type': type }), type).to.equal(415);
    for (const body of ['', '%', '__proto__=1&csrf=', 'csrf=%00', 'csrf=%ff'])
      expect([403, 415]).to.include(await send(body), body);
    expect((await visitor.open('/login?next=%0d%0aSet-Cookie:%20a=b&next=/')).status).to.equal(200);
    expect(site.gate.output).not.to.include('    at ');
  });

  it('sends each page, of errors too, with headers that take no script and no frame (ASVS 3.4.3)', async () => {
    const visitor = await site.loggedIn();
    const forged = await visitor.post('/note', {});
    for (const page of [await visitor.open('/'), await visitor.open('/nowhere'), forged]) {
      expect(page.header('content-security-policy')).to.match(/^default-src 'none';.*frame-ancestors 'none'/);
      expect(page.header('x-content-type-options')).to.equal('nosniff');
      expect(page.header('x-frame-options')).to.equal('DENY');
      expect(page.header('referrer-policy')).to.equal('same-origin');
      expect(page.header('cache-control')).to.equal('no-store');
      expect(page.text).to.not.match(/<script|style=|\son\w+=/);
    }
  });

  it('makes an address wait that guesses, right or wrong, and no other (ASVS 6.3.1)', async () => {
    const guesser = site.browser({ address: '127.0.0.9' });
    for (let guess = 0; guess < 5; guess += 1)
      expect((await give(guesser, `guess ${guess}`)).status).to.equal(403);
    const { status, text, header } = await give(guesser, PASSWORD);
    expect(status).to.equal(429);
    expect(Number(header('retry-after'))).to.be.within(1, 60);
    expect(text).to.include('Too many wrong passwords.');
    const another = site.browser({ address: '127.0.0.9' });
    expect((await give(another, PASSWORD)).status).to.equal(429);
    expect(await areIn(guesser)).to.deep.equal([false]);
    expect(await areIn(await site.loggedIn())).to.deep.equal([true]);
  });

  it('logs everybody out by another APP_PASSWORD', async () => {
    const visitor = await site.loggedIn();
    const next = await site.start({ APP_PASSWORD: 'changed since it leaked' });
    const { text } = await visitor.copy(next.url).open('/');
    expect(text).to.include('<h1>Log in</h1>');
    expect(await areIn(visitor)).to.deep.equal([false]);
  });

  it('lets everybody in as a guest where the gate is off, and says so', async () => {
    const open = await site.start({ REQUIRE_APP_AUTH: 'false', APP_PASSWORD: '' });
    expect(open.output).to.include('THE GATE IS OFF');
    const guest = new Browser(open.url);
    const { text } = await guest.open('/');
    expect(text).to.include('The gate is off').and.not.include('Log out');
    await guest.submit(await guest.open('/'), '/note', { note: 'as a guest' });
    expect((await guest.open('/')).text).to.include('value="as a guest"');
    expect((await guest.open('/api-key')).text).to.include('<code>');
    expect((await guest.open('/login')).path).to.equal('/');
  });

  it('does not start without a password, and tells no stack', async () => {
    const { code, output } = await GateProgram.run({ REDIS_URL: site.redis.url });
    expect(code).to.equal(1);
    expect(output).to.equal('APP_PASSWORD must be set, or REQUIRE_APP_AUTH=false in development\n');
  });

  it('ends when it is asked to', async () => {
    const program = await site.start();
    await new Browser(program.url).open('/login');
    expect(await program.stop()).to.equal(0);
  });
});
