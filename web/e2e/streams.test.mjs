// The page of streams: reached by mouse, keyboard and address; shares of limits, lineage, past, changes with a second click.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overConsole } from './fixture.mjs';
import { byId, rows, says } from './page.mjs';

const over = overConsole('#streams');

test('a stream is shown with the use of its shards, the saturated one first in sight', () =>
  over('known', async ({ page, errors }) => {
    await says(page, 'stream-view-state', 'active');
    await says(page, 'view-throttled', '17/s');
    const shards = await rows(page, 'shard-use');
    assert.deepEqual(shards.map((row) => row.slice(0, 2)), [
      ['1', '1,000/s 100 %'],
      ['2', '250/s 25 %'],
    ]);
    await byId(page, 'past').locator('canvas').first().waitFor();
    await byId(page, 'span-86400').click();
    assert.equal(await byId(page, 'span-86400').getAttribute('aria-pressed'), 'true');
    await byId(page, 'past').locator('canvas').first().waitFor();
    assert.deepEqual(errors, []);
  }));

test('the tabs lead there and back by keyboard', () =>
  over(
    'known',
    async ({ page, errors }) => {
      await byId(page, 'tab-streams').focus();
      await page.keyboard.press('Enter');
      await says(page, 'stream-view-state', 'active');
      assert.equal(await byId(page, 'tab-streams').getAttribute('aria-current'), 'page');
      await byId(page, 'tab-results').focus();
      await page.keyboard.press('Enter');
      await says(page, 'total-pickups', '100');
      assert.deepEqual(errors, []);
    },
    { hash: '' },
  ));

test('the lineage is walked through with the arrow keys', () =>
  over('known', async ({ page }) => {
    await byId(page, 'lineage').focus();
    await page.keyboard.press('ArrowRight');
    await says(page, 'lineage-words', /^Shard 0: 100 % of the keys, closed after/);
    await page.keyboard.press('ArrowRight');
    await says(page, 'lineage-words', 'Shard 1, from 0: 50 % of the keys, open');
  }));

test('a shard is split after a second click only, and a refusal is told', () =>
  over('known', async ({ page, errors }) => {
    await page.getByRole('button', { name: 'Split shard 1' }).click();
    await says(page, 'confirm', /Split shard 1 into two halves\?/);
    await byId(page, 'confirm-yes').click();
    await says(page, 'announcement', 'Shard 1 is being split.');
    await page.getByRole('button', { name: 'Merge shard 2 with the next one' }).click();
    assert.equal(await byId(page, 'confirm-yes').isDisabled(), true, 'nothing is behind the last one');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Merge shard 1 with the next one' }).click();
    await byId(page, 'confirm-yes').click();
    await says(page, 'stream-view-error', 'stream trips is being updated; wait until it is ACTIVE');
    assert.deepEqual(errors.filter((error) => !error.includes('409')), []);
  }));

test('the heaviest keys of a shard are named, and lead to a split', () =>
  over('known', async ({ page, errors }) => {
    await says(page, 'view-read-age', '1 min 14 s');
    assert.deepEqual((await page.getByTestId('read-age').allTextContents()).map((text) => text.trim()), ['1 min 14 s', '–']);
    await page.getByRole('button', { name: 'Heaviest keys of shard 1' }).click();
    await says(page, 'keys-counted', /^10,000 records, 4.6 MB, in the last 60 s/);
    const keys = await rows(page, 'shard-keys');
    assert.deepEqual(keys.slice(0, 2), [
      ['JFK', '4,000', '40 %'],
      ['LGA', '1,000', '10 %'],
    ]);
    await byId(page, 'split-there').click();
    await says(page, 'confirm', /Split shard 1 at the hash key 85070591730234615865843651857942052864\?/);
    await byId(page, 'confirm-yes').click();
    await says(page, 'announcement', 'Shard 1 is being split.');
    await page.getByRole('button', { name: 'Heaviest keys of shard 2' }).click();
    await says(page, 'keys-panel', /no split helps/);
    assert.deepEqual(errors, []);
  }));

test('two hundred shards after four reshards are drawn, the fullest of them in the table', () =>
  over('much', async ({ page, errors }) => {
    await says(page, 'stream-view-state', 'active');
    assert.equal(await byId(page, 'lineage').locator('rect').count(), 4 + 16 + 50 + 100 + 200);
    assert.equal((await rows(page, 'shard-use')).length, 64);
    assert.deepEqual(errors, []);
  }));

test('without streams the page says so', () =>
  over('empty', async ({ page, errors }) => {
    await says(page, 'streams', /No stream yet/);
    assert.deepEqual(errors, []);
  }));

test('a hostile name is text, and a narrow page is no wider than its window', () =>
  over(
    'hostile',
    async ({ page, errors }) => {
      await says(page, 'stream-view', /<img src=x onerror=alert\(1\)>/);
      await page.getByRole('button', { name: 'Heaviest keys of shard 1' }).click();
      await says(page, 'keys-panel', /<img src=x onerror=alert\(1\)>/);
      assert.equal(await page.locator('img').count(), 1, 'only the page’s own icon is an image');
      const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(content <= window, `the page is ${content} wide`);
      assert.deepEqual(errors, []);
    },
    { width: 400, height: 850 },
  ));

test('an answer that fails is told', () =>
  over('failing', async ({ page }) => {
    await says(page, 'streams-trouble', /the index is closed: its disk is full/);
  }));

test('an address names a stream, and says so where there is none', () =>
  over(
    'known',
    async ({ page, errors }) => {
      await says(page, 'absent', 'There is no stream gone/1.');
      await byId(page, 'stream-line').first().click();
      await byId(page, 'absent').waitFor({ state: 'detached' });
      assert.match(new URL(page.url()).hash, /^#streams\/./);
      assert.equal(await byId(page, 'stream-line').first().getAttribute('aria-pressed'), 'true');
      assert.deepEqual(errors, []);
    },
    { hash: '#streams/gone%2F1' },
  ));
