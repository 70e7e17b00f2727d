// People at the real binary with credentials: the login, wrong secrets, what roles may do, leaving, keys that are taken away.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openPage, startBrowser, startDemo } from './fixture.mjs';
import { byId, says } from './page.mjs';

/** Where pictures are left for somebody to look at; none are taken where it is not named. */
const PICTURES = process.env.HAILSTREAM_PICTURES;

const key = (id, role, user) => `[[key]]\nid = "${id}"\nsecret = "${id}-secret"\nrole = "${role}"\n${user ? `user = "${user}"\n` : ''}`;
const KEYS = key('ADMIN', 'admin') + key('OPERATOR', 'operator', 'night-shift') + key('VIEWER', 'viewer') + key('ANALYST', 'analyst');

let folder, keys, served, url, started;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hailstream-login-'));
  keys = join(folder, 'keys.toml');
  writeFileSync(keys, KEYS);
  chmodSync(keys, 0o600);
  served = await startDemo(folder, 'data', '--count', '20000', '--speedup', '600', '--credentials', keys);
  ({ url } = served);
  started = await startBrowser();
});
after(async () => {
  await started?.stop();
  await served?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A page where somebody has typed this into the login. */
async function entered(id, secret, options) {
  const opened = await openPage(started.browser, url, options);
  await opened.page.waitForURL(`${url}/login`);
  await opened.page.getByLabel('Key').fill(id);
  await opened.page.getByLabel('Secret').fill(secret);
  await byId(opened.page, 'login-submit').click();
  return opened;
}

async function loggedIn(id, options) {
  const opened = await entered(id, `${id}-secret`, options);
  await opened.page.waitForURL(`${url}/`);
  await says(opened.page, 'connection', 'Live');
  return opened;
}

async function picture(page, name) {
  if (PICTURES) await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}

/** An order past the page's own controls, with what the page knows: the status of its answer. */
const order = (page, headers) =>
  page.evaluate(async (more) => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json', ...more }, body: '{}' };
    return (await fetch('/api/replay/stop', init)).status;
  }, headers);

async function leave(page) {
  await byId(page, 'logout').click();
  await page.waitForURL(`${url}/login`);
  await page.close();
}

test('whoever is not known is led to the login, which loads nothing from elsewhere', async () => {
  for (const [shape, size] of Object.entries({ wide: { width: 1200, height: 800 }, narrow: { width: 360, height: 700 } })) {
    for (const scheme of ['light', 'dark']) {
      const { page, errors, origins } = await openPage(started.browser, url, { ...size, scheme });
      await page.waitForURL(`${url}/login`);
      await page.waitForFunction(() => document.activeElement === document.getElementById('key'));
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.equal(wide, false, `${shape} ${scheme}: it must be scrolled sideways`);
      const [ground, ink] = await page.evaluate(() => {
        const style = getComputedStyle(document.querySelector('.login-form'));
        return [style.backgroundColor, style.color];
      });
      const dark = (colour) => Number(/\d+/.exec(colour)[0]) < 100;
      assert.deepEqual([dark(ground), dark(ink)], scheme === 'dark' ? [true, false] : [false, true]);
      await picture(page, `login-${shape}-${scheme}`);
      assert.deepEqual([errors, [...origins]], [[], [url]]);
      await page.close();
    }
  }
});

test('a wrong secret is told, and hostile texts are texts', async () => {
  for (const [id, secret] of [['ADMIN', 'wrong'], ['<img src=x onerror=alert(1)>', '"><script>alert(2)</script>']]) {
    const { page, errors } = await entered(id, secret);
    await says(page, 'login-message', 'This key and secret do not go together, or the key may not be used any more.');
    assert.equal(await page.locator('script, img[src="x"]').count(), 0);
    await picture(page, 'login-wrong');
    // The status of the refusal itself is told by the browser as an error, and nothing else is.
    assert.deepEqual(errors.filter((error) => !error.includes('401')), []);
    assert.equal((await started.browser.cookies()).length, 0);
    await page.close();
  }
});

test('the login works without a script, and so does leaving', async () => {
  const { browser, stop } = await startBrowser({ javaScriptEnabled: false });
  try {
    const page = await browser.newPage();
    await page.goto(url);
    await page.getByLabel('Key').fill('VIEWER');
    await page.getByLabel('Secret').fill('VIEWER-secret');
    await byId(page, 'login-submit').click();
    await page.waitForURL(`${url}/`);
    await page.goto(`${url}/login`);
    await says(page, 'login-key', 'VIEWER');
    await byId(page, 'login-leave').click();
    await page.getByLabel('Key').waitFor();
    assert.equal((await page.goto(`${url}/metrics`, { waitUntil: 'commit' })).url(), `${url}/login`);
  } finally {
    await stop();
  }
});

test('an operator is named and controls; an order without its token, or from another site, is refused', async () => {
  const { page, errors } = await loggedIn('OPERATOR');
  await says(page, 'person-key', 'night-shift');
  await says(page, 'person-role', 'operator');
  const [cookie, ...others] = await started.browser.cookies();
  assert.deepEqual(others, []);
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, 'Strict', '/']);
  assert.equal(await page.evaluate(() => document.cookie), '');
  await says(page, 'replay-switch', 'Stop');
  await byId(page, 'replay-switch').click();
  await says(page, 'replay-state', 'paused');
  assert.equal(await order(page, {}), 403);
  assert.equal(await order(page, { 'x-csrf-token': cookie.value }), 403);
  assert.equal(await page.evaluate(async () => (await fetch('/api/audit')).status), 403);
  await picture(page, 'operator');
  const told = errors.filter((error) => !error.includes('403'));
  assert.deepEqual(told, []);
  // Another site: its page may send a form, and the browser does not send the cookie along.
  const other = await started.browser.newPage();
  await other.route('http://elsewhere.example/', (route) => route.fulfill({ contentType: 'text/html', body: `<form method="post" action="${url}/logout"><button>go</button></form>` }));
  await other.goto('http://elsewhere.example/');
  const [answer] = await Promise.all([other.waitForResponse(`${url}/logout`), other.getByRole('button').click()]);
  assert.equal(answer.status(), 400);
  await other.close();
  assert.equal(await page.evaluate(async () => (await fetch('/api/session')).status), 200);
  await leave(page);
});

test('a viewer looks, has no controls, and is told why; what is sent all the same is refused', async () => {
  for (const [shape, size, scheme] of [['wide', { width: 1600, height: 1000 }, 'light'], ['wide', { width: 1600, height: 1000 }, 'dark'], ['narrow', { width: 400, height: 850 }, 'light'], ['narrow', { width: 400, height: 850 }, 'dark']]) {
    const { page, errors } = await loggedIn('VIEWER', { ...size, scheme });
    await says(page, 'only-looks', 'The role viewer may look, and change nothing.');
    for (const control of ['replay-switch', 'shard-count-double', 'parallelism-double', 'speedup-max']) {
      assert.equal(await byId(page, control).isDisabled(), true, control);
    }
    const csrf = await page.evaluate(async () => (await (await fetch('/api/session')).json()).csrf);
    assert.equal(await order(page, { 'x-csrf-token': csrf }), 403);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, `${shape}: it must be scrolled sideways`);
    await picture(page, `viewer-${shape}-${scheme}`);
    assert.deepEqual(errors.filter((error) => !error.includes('403')), []);
    await leave(page);
  }
});

test('over TLS the same holds, with a cookie of its own beside the other', async () => {
  const { page: plain } = await loggedIn('VIEWER');
  const { browser, stop } = await startBrowser({ ignoreHTTPSErrors: true });
  try {
    await browser.addCookies(await started.browser.cookies());
    const secure = url.replace('http:', 'https:');
    const page = await browser.newPage();
    await page.goto(secure);
    await page.waitForURL(`${secure}/login`);
    await page.getByLabel('Key').fill('OPERATOR');
    await page.getByLabel('Secret').fill('OPERATOR-secret');
    await byId(page, 'login-submit').click();
    await page.waitForURL(`${secure}/`);
    await says(page, 'connection', 'Live');
    const protocol = await page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol);
    assert.equal(protocol, 'h2');
    const cookies = (await browser.cookies()).map(({ name, secure: of }) => [name.replace(/\d+$/, ''), of]).sort();
    assert.deepEqual(cookies, [['__Host-hailstream-session-', true], ['hailstream-session-', false]]);
    const csrf = await page.evaluate(async () => (await (await fetch('/api/session')).json()).csrf);
    // It reaches the replay, which the operator has stopped already.
    assert.equal(await order(page, { 'x-csrf-token': csrf }), 409);
    assert.equal(await order(page, {}), 403);
    await byId(page, 'logout').click();
    await page.waitForURL(`${secure}/login`);
    assert.equal((await browser.cookies()).length, 1);
  } finally {
    await stop();
  }
  await says(plain, 'person-key', 'VIEWER');
  await leave(plain);
});

test('an administrator reads who did what', async () => {
  const { page } = await loggedIn('ADMIN');
  await byId(page, 'audit-open').click();
  await says(page, 'audit-head', /^Head \d+:[0-9a-f]{64}$/);
  const lines = await byId(page, 'audit-entries').locator('tbody tr').allInnerTexts();
  assert.ok(lines.some((line) => /night-shift\s*operator\s+127\.0\.0\.1\s+console POST \/api\/replay\/stop\s+done/.test(line)), lines.join('\n'));
  assert.ok(lines.some((line) => /VIEWER\s*viewer.*refused: role/s.test(line)), lines.join('\n'));
  await picture(page, 'audit');
  await page.keyboard.press('Escape');
  const { entries } = await page.evaluate(async () => (await fetch('/api/audit?n=200')).json());
  const told = (event) => entries.filter((entry) => entry.event === event);
  assert.ok(told('login').some((entry) => entry.user === 'night-shift' && entry.role === 'operator'));
  assert.ok(told('begun').some((entry) => entry.operation === 'POST /api/replay/stop' && entry.key === 'OPERATOR'));
  assert.ok(told('refused').some((entry) => entry.operation === 'POST /api/replay/stop' && entry.key === 'VIEWER'));
  assert.ok(told('login-refused').some((entry) => entry.note === 'key ADMIN'));
  const text = JSON.stringify(entries);
  assert.equal(text.includes('-secret') || text.includes('alert(2)') || text.includes('onerror'), false);
  await leave(page);
});

test('a key that is taken away ends its sessions, the live connection too', async () => {
  const { page } = await loggedIn('ANALYST');
  writeFileSync(keys, KEYS.replace('ANALYST-secret', 'another'));
  await page.waitForURL(`${url}/login`, { timeout: 30_000 });
  await page.goto(url);
  await page.waitForURL(`${url}/login`);
  assert.equal((await page.goto(`${url}/login`)).status(), 200);
  await page.getByLabel('Key').waitFor();
  await page.close();
});
