// Moments of the reader's own clock: one way to write them, and the names on an axis of time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

process.env.TZ = 'America/New_York';
const { axisNames, when, zone } = await load('/src/clock.ts');

const HOUR = 3_600;
const from = (iso, step, count) => Array.from({ length: count }, (_, i) => Date.parse(iso) / 1_000 + i * step);

test('a moment is told by the clock of whoever reads it, with the year where it is another one', () => {
  assert.equal(zone(), 'America/New_York');
  assert.equal(when(Date.UTC(2016, 0, 6, 3, 4, 5)), '5 Jan 2016, 22:04:05');
  const now = new Date();
  now.setMonth(5, 7);
  now.setHours(9, 8, 7);
  assert.equal(when(now.getTime()), '7 Jun, 09:08:07');
  for (const impossible of [null, undefined, Number.NaN, 9.2e18, -9.2e18]) assert.equal(when(impossible), '–');
});

test('an axis names its days, and the time within them', () => {
  assert.deepEqual(axisNames(from('2026-06-01T04:00Z', 24 * HOUR, 4)), ['1 Jun', '2 Jun', '3 Jun', '4 Jun']);
  assert.deepEqual(axisNames(from('2026-06-01T16:00Z', 12 * HOUR, 4)), ['12:00', '2 Jun', '12:00', '3 Jun']);
  assert.deepEqual(axisNames(from('2026-06-02T03:00Z', HOUR, 3)), ['23:00', '2 Jun', '01:00']);
  assert.deepEqual(axisNames(from('2026-06-01T10:00Z', 15, 2)), ['06:00:00', '06:00:15']);
  assert.deepEqual(axisNames([]), []);
});

test('a day is named also where a change of the clock moves the ticks off midnight', () => {
  assert.deepEqual(axisNames(from('2026-10-31T16:00Z', 12 * HOUR, 5)), ['12:00', '1 Nov', '11:00', '23:00', '2 Nov 11:00']);
});
