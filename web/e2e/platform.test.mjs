// The page over the real binary: a known handful of trips through replay, stream, application and index, and the controls.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { openPage, startBrowser, startDemo } from './fixture.mjs';
import { byId, hasRows, platform, says } from './page.mjs';

const TIMES_SQUARE = [40.758, -73.9855];
const VILLAGE = [40.7306, -74.0];
const JFK = [40.6413, -73.7781];
const LGA = [40.77, -73.87];
const OCEAN = [0, 0];

let folder, started;
const running = [];

async function demo(name, ...options) {
  const served = await startDemo(folder, name, ...options);
  running.push(served);
  return served.url;
}

/** The geohash cell of a point, by halving: a coordinate on an edge belongs to the upper half. */
function geohash([latitude, longitude], length) {
  const bounds = [[-180, 180], [-90, 90]];
  const point = [longitude, latitude];
  let text = '';
  for (let i = 0, digit = 0; i < 5 * length; i++) {
    const range = bounds[i % 2];
    const middle = (range[0] + range[1]) / 2;
    const upper = point[i % 2] >= middle;
    range[upper ? 0 : 1] = middle;
    digit = digit * 2 + (upper ? 1 : 0);
    if (i % 5 === 4) {
      text += '0123456789bcdefghjkmnpqrstuvwxyz'[digit];
      digit = 0;
    }
  }
  return text;
}

function trip(id, from, to, dropoff, minutes) {
  const end = Date.parse(`2016-01-06T${dropoff}Z`);
  return JSON.stringify({
    type: 'trip',
    trip_id: id,
    pickup_datetime: new Date(end - minutes * 60_000).toISOString(),
    dropoff_datetime: new Date(end).toISOString(),
    pickup_latitude: from[0],
    pickup_longitude: from[1],
    dropoff_latitude: to[0],
    dropoff_longitude: to[1],
  });
}

/** Six rides to JFK, four to LaGuardia, three in town, one out of town, and a line that is no trip. */
const TRIPS = [
  trip(1, TIMES_SQUARE, JFK, '08:10:00', 30),
  trip(2, TIMES_SQUARE, JFK, '08:11:00', 30),
  trip(3, TIMES_SQUARE, JFK, '08:12:00', 60),
  trip(4, TIMES_SQUARE, JFK, '08:13:00', 60),
  trip(5, TIMES_SQUARE, JFK, '08:14:00', 60),
  trip(6, TIMES_SQUARE, JFK, '08:15:00', 60),
  trip(7, OCEAN, JFK, '08:16:00', 60),
  '{"type":"trip","trip_id":8,',
  trip(9, VILLAGE, LGA, '09:10:00', 20),
  trip(10, VILLAGE, LGA, '09:11:00', 20),
  trip(11, VILLAGE, LGA, '09:12:00', 20),
  trip(12, VILLAGE, LGA, '09:13:00', 20),
  trip(13, TIMES_SQUARE, VILLAGE, '09:20:00', 15),
  trip(14, TIMES_SQUARE, VILLAGE, '09:21:00', 15),
  trip(15, TIMES_SQUARE, VILLAGE, '09:22:00', 15),
];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hailstream-page-'));
  started = await startBrowser();
});
after(async () => {
  await started?.stop();
  await Promise.all(running.map((served) => served.stop()));
  rmSync(folder, { recursive: true, force: true });
});

test('a known handful of trips shows the right numbers, the last hour too', async () => {
  const file = join(folder, 'trips.ndjson');
  writeFileSync(file, `${TRIPS.join('\n')}\n`);
  const url = await demo('known', '--trips', file, '--speedup', 'max', '--shards', '2');
  const { page, errors, origins } = await openPage(started.browser, url);
  await says(page, 'replay-state', 'finished');
  await says(page, 'replay-sent', '14');
  await says(page, 'stream-shards', '2');
  await says(page, 'application-late', '0');
  // One shard ends with the trip of 09:12, the other with that of 09:22: whichever is set aside as idle last says where the
  // watermark rests, and a rest of the whole stream moves it no further.
  await says(page, 'application-watermark', /^09:(11|21):59$/);
  await says(page, 'total-pickups', '13');
  await says(page, 'total-areas', '2');
  await says(page, 'total-airport-trips', '10');
  await byId(page, 'airports-as-table').click();
  await hasRows(page, 'airports-table', [
    ['6 Jan 08:00–09:00', '50.0 min', '6', '–', '0'],
    ['6 Jan 09:00–10:00', '–', '0', '20.0 min', '4'],
  ]);
  await byId(page, 'map-panel').locator('summary').click();
  await hasRows(page, 'cells-table', [[geohash(TIMES_SQUARE, 6), '9'], [geohash(VILLAGE, 6), '4']], ([cell, , count]) => [cell, count]);
  const areas = await byId(page, 'top-areas').locator('li').evaluateAll((all) =>
    all.map((one) => [one.querySelector('code').textContent, one.querySelector('.area-count').textContent]));
  assert.deepEqual(areas, [[geohash(TIMES_SQUARE, 7), '9'], [geohash(VILLAGE, 7), '4']]);
  assert.deepEqual(errors, []);
  assert.deepEqual([...origins], [url]);
  await page.close();
});

test('the streams of a loaded platform show throttles, how far readers are, the heaviest keys, and a reshard', async () => {
  const url = await demo('streams', '--count', '2000000');
  const { page, errors } = await openPage(started.browser, `${url}/#streams`);
  await says(page, 'stream-view-state', 'active');
  await page.waitForFunction(() => /[1-9]/.test(document.querySelector('[data-testid="view-throttled"]')?.textContent ?? ''));
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="shard-use"] tbody tr').length === 8);
  await page.waitForFunction(() =>
    [...document.querySelectorAll('[data-testid="read-age"]')].some((cell) => /ms|s|min/.test(cell.textContent)));
  await page.getByRole('button', { name: 'Heaviest keys of shard 0' }).click();
  await says(page, 'keys-counted', /^[1-9][0-9,.]* records/);
  assert.ok((await page.getByTestId('shard-keys').locator('tbody tr').count()) > 0);
  await byId(page, 'split-there').click();
  await says(page, 'confirm', /Split shard 0 at the hash key \d+\?/);
  await byId(page, 'confirm-yes').click();
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="shard-use"] tbody tr').length === 9);
  assert.equal(await byId(page, 'lineage').locator('rect').count(), 10, 'the closed shard and its two children are drawn');
  await says(page, 'stream-view-state', 'active');
  assert.deepEqual(errors, []);
  await page.close();
});

test('the controls of a throttled replay do as they say', async () => {
  const url = await demo('controls', '--count', '500000');
  const { page } = await openPage(started.browser, url);
  await says(page, 'stream-state', 'throttling');
  await says(page, 'stream-shards', '8');
  await byId(page, 'shard-count-double').click();
  await says(page, 'stream-shards', '16');
  assert.equal((await platform(url)).stream.open_shards, 16);
  await byId(page, 'speedup-double').click();
  await page.waitForFunction(() => document.getElementById('speedup').value === '12,960');
  assert.equal((await platform(url)).replay.speedup, 12_960);
  await byId(page, 'replay-switch').click();
  await says(page, 'replay-state', 'paused');
  const { sent } = (await platform(url)).replay;
  await wait(1_500);
  assert.equal((await platform(url)).replay.sent, sent, 'a stopped replay sends nothing');
  await byId(page, 'replay-switch').click();
  await says(page, 'replay-state', 'running');
  await byId(page, 'shard-count').fill('64');
  await byId(page, 'shard-count-set').click();
  await says(page, 'shards-error', /16 open shards, 64 wanted/);
  await page.close();
});
