// The audit log, read page by page: each entry is told once, however often one asks for older ones.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overConsole } from './fixture.mjs';
import { byId, says } from './page.mjs';

const over = overConsole();

const SESSION = { asked: true, key: 'ADMIN', user: null, role: 'admin', rights: ['look', 'read', 'register', 'write', 'control', 'govern'], csrf: 'token', until_ms: null };
const NEWEST = 250;
const entry = (number) => ({ number, at_ms: 1_452_070_800_000 + number * 1_000, event: 'begun', of: null, door: 'console', operation: 'POST /api/replay/stop', subject: null, key: 'ADMIN', user: null, role: 'admin', address: '127.0.0.1', status: null, note: null });

/** The entries before a number, a page of them. */
function answer(address) {
  const asked = new URL(address).searchParams;
  const from = Number(asked.get('before') ?? NEWEST + 1) - 1;
  const entries = Array.from({ length: Math.min(from, Number(asked.get('n'))) }, (_, i) => entry(from - i));
  return { entries, newest: NEWEST, hash: '0'.repeat(64) };
}

const numbers = (page) => byId(page, 'audit-entries').locator('tbody th').evaluateAll((all) => all.map((cell) => Number(cell.textContent)));
const down = (from, to) => Array.from({ length: from - to + 1 }, (_, i) => from - i);

test('a second click while older entries are on their way asks for nothing more', () =>
  over('bare', async ({ page, errors }) => {
    let release = () => {};
    let held = Promise.resolve();
    let asked = 0;
    await page.route('**/api/session', (route) => route.fulfill({ json: SESSION }));
    await page.route('**/api/audit?*', async (route) => {
      asked += 1;
      await held;
      await route.fulfill({ json: answer(route.request().url()) });
    });
    await page.reload();
    await byId(page, 'audit-open').click();
    await says(page, 'audit-head', /^Head 250:0+$/);
    assert.deepEqual(await numbers(page), down(250, 151));
    held = new Promise((resolve) => (release = resolve));
    await byId(page, 'audit-older').evaluate((button) => {
      button.click();
      button.click();
    });
    await page.waitForTimeout(100);
    assert.equal(await byId(page, 'audit-older').isDisabled(), true);
    release();
    await byId(page, 'audit-entries').locator('tbody tr').nth(199).waitFor();
    await page.waitForTimeout(300);
    assert.deepEqual(await numbers(page), down(250, 51));
    assert.equal(asked, 2);
    await byId(page, 'audit-older').click();
    await byId(page, 'audit-older').waitFor({ state: 'detached' });
    assert.deepEqual(await numbers(page), down(250, 1));
    assert.deepEqual(errors, []);
  }));

test('in a narrow window the head of the log is told to its end', () =>
  over(
    'bare',
    async ({ page }) => {
      await page.route('**/api/session', (route) => route.fulfill({ json: SESSION }));
      await page.route('**/api/audit?*', (route) => route.fulfill({ json: answer(route.request().url()) }));
      await page.reload();
      await byId(page, 'audit-open').click();
      await says(page, 'audit-head', /^Head 250:0+$/);
      const [inner, outer] = await byId(page, 'audit-head').evaluate((head) => [head.scrollWidth, head.clientWidth]);
      assert.ok(inner <= outer, `${inner} > ${outer}`);
    },
    { width: 400, height: 850 },
  ));
