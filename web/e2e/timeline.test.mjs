// The timeline: what happened on an axis and in words, the first cause marked, hostile words as text.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overConsole } from './fixture.mjs';
import { byId, says } from './page.mjs';

const over = overConsole('#timeline');

const told = (page) => byId(page, 'happening').evaluateAll((all) => all.map((item) => item.querySelector('.happening-words').textContent.trim()));

test('what happened is told from the latest to the first, and what began the trouble is marked', () =>
  over('known', async ({ page, errors }) => {
    await byId(page, 'happening').first().waitFor();
    const words = await told(page);
    assert.equal(words.length, 7);
    assert.equal(words[0], 'alarm/lag millisBehindLatest is 240 ms');
    assert.equal(words[5], 'stream/trips 4 of 4 shards refuse records: 1,900 records/sfirst cause');
    const names = await page.locator('.axis-name').allTextContents();
    assert.deepEqual(names, ['application/taxi', 'stream/trips', 'alarm/lag']);
    await byId(page, 'timeline-900').click();
    await says(page, 'timeline', /What happened.*alarm\/lag/s);
    assert.deepEqual(await told(page), ['alarm/lag millisBehindLatest is 240 ms']);
    assert.deepEqual(errors, []);
  }));

test('hostile words are text, and without happenings there are words', async () => {
  await over('hostile', async ({ page, errors }) => {
    await byId(page, 'happening').first().waitFor();
    assert.deepEqual(errors, []);
  });
  await over('empty', async ({ page }) => {
    await says(page, 'timeline', /Nothing worth telling happened/);
  });
});

test('in a narrow window much is told, and the page does not scroll sideways', () =>
  over(
    'much',
    async ({ page, errors }) => {
      await byId(page, 'happening').first().waitFor();
      const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(inner <= outer, `${inner} > ${outer}`);
      assert.ok((await page.locator('.axis-row').count()) <= 12);
      assert.deepEqual(errors, []);
    },
    { width: 400, height: 850 },
  ));
