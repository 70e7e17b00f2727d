// The page of applications: the graph of operators and the same as a table, controls, snapshots of the one that is chosen.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, startBrowser, startConsole } from './fixture.mjs';
import { byId, rows, says } from './page.mjs';

let started;

before(async () => {
  started = await startBrowser();
});
after(() => started?.stop());

async function over(mode, act, { hash = '#applications', ...shape } = {}) {
  const served = await startConsole(mode);
  const opened = await openPage(started.browser, `${served.url}/${hash}`, shape);
  try {
    await act({ ...opened, served });
  } finally {
    await opened.page.close();
    await served.stop();
  }
}

test('operators are drawn behind those whose rows they read, the narrow one marked, and told as a table', () =>
  over('known', async ({ page, errors }) => {
    await says(page, 'application-view-state', 'running');
    await says(page, 'view-records-out', '314/s');
    const boxes = await byId(page, 'operator').evaluateAll((all) => all.map((box) => [box.querySelector('strong').textContent, box.offsetLeft, box.dataset.mood, box.dataset.held]));
    assert.deepEqual(
      boxes.map(([name, , mood, held]) => [name, mood, held]),
      [
        ['source trips', 'good', 'true'],
        ['window aggregate 2', 'good', 'false'],
        ['window aggregate 5', 'good', 'false'],
        ['sink pickup_count', 'bad', 'false'],
        ['sink trip_duration', 'good', 'false'],
      ],
    );
    const [source, aggregate, other, sink] = boxes.map(([, left]) => left);
    assert.ok(source < aggregate && aggregate === other && aggregate < sink, String(boxes));
    const table = await rows(page, 'operator-use');
    assert.deepEqual(table[3].slice(0, 5), ['sink pickup_count', '310', '310', '97 % (most 97 %)', '0 %']);
    await says(page, 'view-state', '48.0 MB· 1.1 % of the budget');
    assert.deepEqual(errors, []);
  }));

test('a stop waits for a second click, a refusal is told in the words of the platform', () =>
  over('known', async ({ page }) => {
    await byId(page, 'application-stop').click();
    await says(page, 'stop-confirm', /Stop taxi\? What it has come to is kept/);
    await byId(page, 'stop-yes').click();
    await says(page, 'announcement', 'taxi is stopped, with a snapshot.');
    await byId(page, 'view-parallelism-double').click();
    await says(page, 'application-view-state', 'running');
    await byId(page, 'snapshot-take').click();
    await byId(page, 'snapshot').first().waitFor();
  }));

test('hostile names are text, and nothing runs without words', async () => {
  await over('hostile', async ({ page, errors }) => {
    await byId(page, 'operator').first().waitFor();
    assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
    assert.deepEqual(errors, []);
  });
  await over('bare', async ({ page }) => {
    await says(page, 'applications', /No application yet/);
  });
  await over('empty', async ({ page }) => {
    await says(page, 'applications', /Nothing runs\./);
  });
});

test('in a narrow window the graph scrolls and the page does not', () =>
  over(
    'much',
    async ({ page, errors }) => {
      await byId(page, 'operator').first().waitFor();
      const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(inner <= outer, `${inner} > ${outer}`);
      assert.equal(await byId(page, 'operator').count(), 29);
      assert.deepEqual(errors, []);
    },
    { width: 400, height: 850 },
  ));
