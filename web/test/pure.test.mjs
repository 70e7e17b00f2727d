// The parts of the page that are functions alone: cells, classes, words for numbers, ranges.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

const { alongCells, bounds, cellSize, centre, precisionForZoom } = await load('/src/geohash.ts');
const { COLOURS, classOf, classes, colourOf } = await load('/src/scale.ts');
const format = await load('/src/format.ts');
const graph = await load('/src/graph.ts');
const { propertiesOf } = await load('/src/properties.ts');
const range = await load('/src/range.ts');

test('boxes of cells are those that geohash.org gives', () => {
  const near = (geohash, latitude, longitude) => {
    const [x, y] = centre(bounds(geohash));
    const { width, height } = cellSize(geohash.length);
    assert.ok(Math.abs(x - longitude) <= width / 2 && Math.abs(y - latitude) <= height / 2, geohash);
  };
  near('u4pruydqqvj', 57.64911, 10.40744);
  near('dr5ru6j', 40.7484, -73.9857);
  near('s', 22.5, 22.5);
  assert.deepEqual(bounds('0'), { west: -180, south: -90, east: -135, north: -45 });
});

test('what is no geohash has no box', () => {
  for (const text of ['', 'a', 'dr5ruI', 'DR5RU', '<img>', 'dr5ru6j'.repeat(3)]) assert.equal(bounds(text), null, text);
});

test('a box along cells holds the box, and no corner of a cell beyond it', () => {
  for (const precision of [4, 5, 6, 7]) {
    const box = { west: -74.031, south: 40.651, east: -73.777, north: 40.842 };
    const snapped = alongCells(box, precision);
    const { width, height } = cellSize(precision);
    assert.ok(snapped.west <= box.west && box.west - snapped.west < width);
    assert.ok(snapped.south <= box.south && box.south - snapped.south < height);
    assert.ok(snapped.east >= box.east - 1e-6 && snapped.east - box.east < width);
    assert.ok(snapped.north >= box.north - 1e-6 && snapped.north - box.north < height);
    const columns = (snapped.east - snapped.west) / width;
    assert.ok(Math.ceil(columns) - columns > 0 && Math.ceil(columns) - columns < 0.01, 'a hair less than whole cells');
  }
  assert.deepEqual(alongCells({ west: -200, south: -95, east: 200, north: 95 }, 1).west, -180);
});

test('precision follows the zoom', () => {
  assert.deepEqual([8, 9.5, 9.6, 11, 12.3, 12.4, 16].map(precisionForZoom), [5, 5, 6, 6, 6, 7, 7]);
});

test('classes are few, ascending, and begin with one', () => {
  for (const max of [0, 1, 2, 3, 10, 55, 100, 4_321, 1e6, 4e18, Number.NaN, -5]) {
    const bounds = classes(max);
    assert.equal(bounds[0], 1);
    assert.ok(bounds.length <= COLOURS);
    assert.ok(bounds.every((bound, i) => i === 0 || bound > bounds[i - 1]), `${max}: ${bounds}`);
    assert.ok(bounds.at(-1) <= Math.max(1, max) || !(max >= 1), `${max}: ${bounds}`);
  }
  assert.deepEqual(classes(3_500), [1, 10, 80, 300, 600, 1_500, 2_000]);
});

test('a count has the last class that begins at or below it, and its colour', () => {
  const bounds = [1, 10, 100];
  assert.deepEqual([0, 1, 9, 10, 99, 100, 1e9].map((count) => classOf(count, bounds)), [0, 0, 0, 1, 1, 2, 2]);
  assert.deepEqual([0, 1, 2].map((i) => colourOf(i, bounds)), [0, 3, 6]);
  assert.equal(colourOf(0, [1]), 3);
});

test('numbers as people read them', () => {
  const cases = [
    [format.count, 0, '0'],
    [format.count, 1_234_567, '1,234,567'],
    [format.count, 12_345_678, '12.3 M'],
    [format.count, 1.8e19, '> 10^18'],
    [format.count, Number.NaN, '0'],
    [format.rate, 0, '0'],
    [format.rate, 2.54, '2.5'],
    [format.rate, 9.99, '10'],
    [format.percent, 0.004, '0.4 %'],
    [format.percent, 0.5, '50 %'],
    [format.duration, 850, '850 ms'],
    [format.duration, 4_200, '4.2 s'],
    [format.duration, 80_000, '1 min 20 s'],
    [format.duration, 3_600_000 * 26, '1 d 2 h'],
    [format.duration, 1.8e19, '> 1,000 d'],
  ];
  for (const [write, value, text] of cases) assert.equal(write(value), text, `${write.name}(${value})`);
  assert.deepEqual(format.bytes(999), ['999', 'B']);
  assert.deepEqual(format.bytes(5_532_000), ['5.5', 'MB']);
  assert.deepEqual(format.bytes(1e300), ['> 10^18', 'B']);
});

test('event times are shown as the data has them', () => {
  const at = Date.UTC(2016, 0, 6, 10, 2, 5);
  assert.equal(format.day(at), 'Wed 6 Jan 2016');
  assert.equal(format.time(at, true), '10:02:05');
  assert.equal(format.hour(Date.UTC(2016, 0, 7)), '6 Jan 23:00–00:00');
  assert.equal(format.span(Date.UTC(2016, 0, 6), Date.UTC(2016, 0, 7)), '6 Jan 2016, 00:00–24:00');
  assert.equal(format.span(Date.UTC(2016, 0, 6, 8), Date.UTC(2016, 0, 7, 9)), '6 Jan 2016 08:00 – 7 Jan 2016 09:00');
  for (const impossible of [null, Number.NaN, 9.2e18, -9.2e18]) assert.equal(format.time(impossible), '–');
});

test('a choice means a range, and survives the address', () => {
  const available = { from_ms: Date.UTC(2016, 0, 1), to_ms: Date.UTC(2016, 0, 7) };
  const hour = 3_600_000;
  assert.deepEqual(range.resolve({ kind: 'follow', hours: null }, available), available);
  assert.deepEqual(range.resolve({ kind: 'follow', hours: 6 }, available), { from_ms: available.to_ms - 6 * hour, to_ms: available.to_ms });
  assert.equal(range.resolve({ kind: 'follow', hours: 6 }, null), null);
  for (const choice of [range.FOLLOW_ALL, { kind: 'follow', hours: 24 }, { kind: 'fixed', range: available }]) {
    assert.deepEqual(range.fromFragment(range.toFragment(choice)), choice);
  }
  for (const wrong of ['#last=0h', '#last=xh', '#from=2016-01-02T00:00&to=2016-01-01T00:00', '#from=<b>', '#']) {
    assert.deepEqual(range.fromFragment(wrong), range.FOLLOW_ALL, wrong);
  }
});

test('ranges that only touch share no window', () => {
  const at = (from_ms, to_ms) => ({ from_ms, to_ms });
  assert.equal(range.overlaps(at(0, 10), at(10, 20)), false);
  assert.equal(range.overlaps(at(0, 11), at(10, 20)), true);
});

test('each operator stands to the right of all whose rows it reads, and boxes do not meet', () => {
  const inputs = [[], [], [0, 1], [0], [2], [2, 3], [5, 0]];
  const { boxes, width, height } = graph.layout(inputs);
  inputs.forEach((from, at) => from.forEach((input) => assert.ok(boxes[input].x + graph.BOX.width < boxes[at].x, `${input} → ${at}`)));
  for (const [i, a] of boxes.entries()) {
    assert.ok(a.x >= 0 && a.y >= 0 && a.x + graph.BOX.width <= width && a.y + graph.BOX.height <= height, String(i));
    for (const b of boxes.slice(i + 1)) assert.ok(a.x !== b.x || Math.abs(a.y - b.y) >= graph.BOX.height);
  }
  assert.deepEqual(graph.layout([]), { boxes: [], width: graph.BOX.width, height: graph.BOX.height });
  assert.deepEqual(graph.layout([[7]]).boxes, [{ x: 0, y: 0 }], 'an input that is not told is none');
});

test('properties stand in their groups, and the first line that is none is told', () => {
  const of = (text, entry = '') => JSON.parse(JSON.stringify(propertiesOf(text, entry)));
  assert.deepEqual(of('Input.stream.name = a=b \n\nplain=1\n', 'trip.Main'), {
    properties: { Input: { 'stream.name': 'a=b' }, FlinkApplicationProperties: { plain: '1' }, Hailstream: { 'entry-class': 'trip.Main' } },
    wrong: null,
  });
  assert.deepEqual(of(''), { properties: {}, wrong: null });
  for (const text of ['a', 'x = 1\n= 2', 'x =']) assert.match(of(text).wrong, /^Line \d of the properties is not of the form/, text);
  assert.deepEqual(of('__proto__.x = 1\nconstructor.y = 2').properties.constructor, { y: '2' });
});
