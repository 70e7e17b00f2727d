// Moments of the wall clock: on every page by the clock of whoever reads it, whose zone is told, and exact for machines.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overConsole } from './fixture.mjs';
import { byId, says } from './page.mjs';

const over = overConsole();
const ZONE = 'America/Indiana/Petersburg';

/** The moments that are told within an element, each as its text, the same as it should be, and its title and attribute. */
const moments = (element) =>
  element.locator('time').evaluateAll((all, timeZone) => {
    const parts = { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZone };
    return all.map((one) => {
      const date = new Date(one.dateTime);
      const year = date.getFullYear() === new Date().getFullYear() ? {} : { year: 'numeric' };
      return [one.textContent, new Intl.DateTimeFormat('en-GB', { ...parts, ...year }).format(date), one.title, one.dateTime];
    });
  }, ZONE);

async function told(element) {
  await element.locator('time').first().waitFor({ state: 'attached' });
  const all = await moments(element);
  for (const [text, expected, title, exact] of all) assert.deepEqual([text, title], [expected, exact]);
  const words = await element.innerText();
  assert.match(words, new RegExp(ZONE));
  assert.doesNotMatch(words, /UTC/);
  return all.length;
}

for (const [hash, least] of Object.entries({ '#streams': 1, '#applications': 9, '#scaling': 4, '#alarms': 4, '#timeline': 7 })) {
  test(`the page ${hash} tells its times by the reader's clock, and has room for the name of its zone`, () =>
    over(
      'known',
      async ({ page, errors }) => {
        if (hash === '#applications') await byId(page, 'version').waitFor();
        assert.ok((await told(page.locator('main'))) >= least);
        await page.setViewportSize({ width: 400, height: 850 });
        const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(inner <= outer, `${inner} > ${outer}`);
        const crowded = await page.locator('.happenings time').evaluateAll((all) => all.filter((time) => time.scrollWidth > time.clientWidth).length);
        assert.equal(crowded, 0, 'times that have no room beside the words');
        assert.deepEqual(errors, []);
      },
      { hash, zone: ZONE },
    ));
}

test('a snapshot in the dialog of the strip is told with its zone', () =>
  over(
    'known',
    async ({ page }) => {
      await byId(page, 'snapshots-open').click();
      await byId(page, 'snapshot-take').click();
      await says(page, 'snapshot', /6 Jan 2016, 04:00:00 · 6.0 MB/);
      assert.equal(await told(byId(page, 'snapshots-dialog')), 1);
    },
    { zone: ZONE },
  ));
