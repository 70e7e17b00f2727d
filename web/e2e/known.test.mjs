// The page over the known set: map cells, lines, strip, ranges and the map's behaviour show the right numbers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, startBrowser, startConsole } from './fixture.mjs';
import { AIRPORTS, CELLS_6, HOURS, STRIP, TOP, TOTALS } from './known.mjs';
import { byId, hasRows, says } from './page.mjs';

let served, started, page;
/** Over all pages that were opened. */
const opened = [];

before(async () => {
  served = await startConsole('known');
  started = await startBrowser();
});
after(async () => {
  await started?.stop();
  await served?.stop();
});

async function open(options, path = '') {
  await page?.close();
  opened.push(await openPage(started.browser, served.url + path, options));
  page = opened.at(-1).page;
}

test('the strip shows every stage', async () => {
  await open();
  await says(page, 'connection', 'Live');
  for (const [id, text] of Object.entries(STRIP)) await says(page, id, text);
  await says(page, 'stream-state', 'throttling');
  assert.equal(await byId(page, 'stream-state').getAttribute('data-mood'), 'warn');
  await says(page, 'clock', /Wed 6 Jan 2016.*10:02:05/);
  const bars = byId(page, 'shards').locator('li');
  assert.deepEqual(await bars.evaluateAll((all) => all.map((bar) => bar.dataset.mood)), ['good', 'good', 'good', 'warn']);
  assert.match(await bars.nth(3).textContent(), /shardId-000000000003: 80 % of its limit, 303 records\/s, 138 kB\/s, 17 throttled\/s/);
});

test('totals, lines, hours and top areas have the right sums', async () => {
  for (const [id, text] of Object.entries(TOTALS)) await says(page, `total-${id}`, text);
  await byId(page, 'airports-as-table').click();
  await hasRows(page, 'airports-table', AIRPORTS);
  await byId(page, 'hours-as-table').click();
  await hasRows(page, 'hours-table', HOURS);
  const areas = await byId(page, 'top-areas').locator('li').evaluateAll((all) =>
    all.map((one) => [one.querySelector('code').textContent, one.querySelector('.area-count').textContent]));
  assert.deepEqual(areas, TOP);
  await says(page, 'shown-range', '6 Jan 2016, 07:00–10:00');
});

test('the map has a cell per area, and its precision follows the zoom', async () => {
  await byId(page, 'map-panel').locator('summary').click();
  await hasRows(page, 'cells-table', CELLS_6, ([cell, , count]) => [cell, count]);
  assert.equal(await byId(page, 'map').getAttribute('data-precision'), '6');
  assert.ok((await byId(page, 'legend').locator('li').count()) >= 3);
  await page.getByRole('button', { name: 'Zoom out' }).click();
  await page.getByRole('button', { name: 'Zoom out' }).click();
  await hasRows(page, 'cells-table', [['dr5ru', '75'], ['dr5rz', '15'], ['dr5rs', '7'], ['dr5x1', '3']], ([cell, , count]) => [cell, count]);
  assert.equal(await byId(page, 'map').getAttribute('data-precision'), '5');
});

test('a click in the list flies to the area and shows its numbers', async () => {
  await byId(page, 'top-areas').getByRole('button').first().click();
  await says(page, 'card-geohash', 'dr5ru6j');
  await says(page, 'card-pickups', '50');
  await says(page, 'card-share', '50 %');
  await says(page, 'card-busiest', 'Busiest 6 Jan 08:00–09:00: 30');
  await hasRows(page, 'cells-table', [['dr5ru6j', '50'], ['dr5ru7n', '20'], ['dr5ru6k', '5']], ([cell, , count]) => [cell, count]);
  assert.equal(await byId(page, 'map').getAttribute('data-precision'), '7');
});

test('pointing at a drawn cell says its number, and a click pins it', async () => {
  // The selected cell stands in the middle of the map now.
  await byId(page, 'card-close').click();
  const box = await byId(page, 'map').boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(x - 3, y - 3);
  await page.mouse.move(x, y);
  await says(page, 'pointer', /50 pickups.*dr5ru6j/);
  await page.mouse.click(x, y);
  await says(page, 'card-geohash', 'dr5ru6j');
});

test('the map draws cells in the colours of the scale', async () => {
  // Left of the middle, inside the cell and away from its frame.
  const box = await byId(page, 'map').boundingBox();
  await byId(page, 'card-close').click();
  const clip = { x: Math.round(box.x + box.width / 2) - 4, y: Math.round(box.y + box.height / 2) - 4, width: 8, height: 8 };
  await page.mouse.move(5, 5);
  const png = (await page.screenshot({ clip })).toString('base64');
  const [r, g, b] = await page.evaluate(async (data) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = Object.assign(document.createElement('canvas'), { width: 8, height: 8 });
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    return [...context.getImageData(2, 2, 1, 1).data];
  }, png);
  assert.ok(b > r + 25 && b > g + 25 && r < 110, `the busiest cell is drawn as ${r}, ${g}, ${b}, not as the last colour of the scale`);
});

test('a fixed range narrows everything, and is kept in the address', async () => {
  await byId(page, 'range').click();
  await byId(page, 'range-from').fill('2016-01-06T08:00');
  await byId(page, 'range-to').fill('2016-01-06T09:00');
  await byId(page, 'range-apply').click();
  await says(page, 'total-pickups', '57');
  await says(page, 'shown-range', '6 Jan 2016, 08:00–09:00');
  assert.equal(new URL(page.url()).hash, '#from=2016-01-06T08:00&to=2016-01-06T09:00');
  await page.reload();
  await says(page, 'total-pickups', '57');
});

test('a range that is upside down is refused beside its fields', async () => {
  await byId(page, 'range').click();
  await byId(page, 'range-from').fill('2016-01-06T10:00');
  await byId(page, 'range-apply').click();
  await page.getByText('From must be before to.').waitFor();
  await page.keyboard.press('Escape');
  await says(page, 'total-pickups', '57');
});

test('following the last hour shows the newest window alone', async () => {
  await byId(page, 'range').click();
  await byId(page, 'range-last-1').click();
  await says(page, 'total-pickups', '26');
  assert.equal(new URL(page.url()).hash, '#last=1h');
});

test('a range without results offers the one that has them', async () => {
  await open({}, '/#from=2026-01-01T00:00&to=2026-01-02T00:00');
  await says(page, 'banner', /No results between 1 Jan 2026 00:00 and 2 Jan 2026 00:00: they cover 6 Jan 2016, 07:00–10:00/);
  await says(page, 'total-pickups', '0');
  await byId(page, 'banner').getByRole('button', { name: 'Show them' }).click();
  await says(page, 'total-pickups', '100');
  assert.equal(await byId(page, 'banner').count(), 0);
});

test('the theme follows the system until it is chosen', async () => {
  await open({ scheme: 'dark' });
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  assert.equal(await theme(), 'dark');
  await byId(page, 'theme').click();
  assert.equal(await theme(), 'light');
  await page.reload();
  assert.equal(await theme(), 'light');
  await page.evaluate(() => localStorage.clear());
});

test('a narrow page shows the same without sideways scrolling', async () => {
  for (const width of [320, 400, 480, 768, 1100]) {
    await open({ width, height: 850 });
    await says(page, 'total-pickups', '100');
    const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(content <= window, `at ${width} pixels the page is ${content} wide`);
  }
});

test('every control can be reached by the keyboard and has a name', async () => {
  await open();
  await says(page, 'total-pickups', '100');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent.trim()), 'Skip to the content');
  const nameless = await page.locator('button, input, a, [role=img]').evaluateAll((all) =>
    all.filter((one) => !(one.textContent.trim() || one.ariaLabel || one.title || one.labels?.length)).map((one) => one.outerHTML));
  assert.deepEqual(nameless, []);
  for (const role of ['banner', 'main']) assert.equal(await page.getByRole(role).count(), 1, role);
  assert.equal(await page.locator('h1').count(), 1);
});

test('nothing went wrong on the way, and nothing was asked of another origin', async () => {
  for (const { errors, origins } of opened) {
    assert.deepEqual(errors, []);
    assert.deepEqual([...origins], [new URL(served.url).origin]);
  }
});
