// The sums of the fixture's known set, worked out by hand from `console/examples/fixture/data.rs`.
export const TOTALS = { pickups: '100', areas: '6', 'airport-trips': '15' };

/** Pickups per geohash-6 cell, the precision of the first view, within it, largest first. */
export const CELLS_6 = [
  ['dr5ru6', '55'],
  ['dr5ru7', '20'],
  ['dr5rzj', '15'],
  ['dr5rsj', '7'],
];

/** All areas, largest first. */
export const TOP = [
  ['dr5ru6j', '50'],
  ['dr5ru7n', '20'],
  ['dr5rzjp', '15'],
  ['dr5rsjz', '7'],
  ['dr5ru6k', '5'],
  ['dr5x1nh', '3'],
];

/** (2 trips of 40 min and 6 of 60 min) = 55.0 min for JFK, where an average of averages would say 50.0. */
export const AIRPORTS = [
  ['6 Jan 08:00–09:00', '55.0 min', '8', '25.0 min', '3'],
  ['6 Jan 09:00–10:00', '45.0 min', '4', '–', '0'],
];

export const HOURS = [
  ['6 Jan 07:00–08:00', '17'],
  ['6 Jan 08:00–09:00', '57'],
  ['6 Jan 09:00–10:00', '26'],
];

export const STRIP = {
  'replay-rate': '1,234',
  'replay-lag': '4.2 s',
  'replay-sent': '98,765',
  'replay-refused': '432',
  'replay-retries': '321',
  'replay-progress': '42 %',
  'stream-rate': '1,230',
  'stream-throttled': '17/s',
  'stream-bytes': '566kB/s',
  'stream-shards': '4',
  'application-rate': '1,200',
  'application-watermark': '10:00:00',
  'application-behind': '850 ms',
  'application-late': '3',
  'application-bad': '1',
  'application-parallelism': '4· 2 KPUs',
  'index-rate': '12',
  'index-documents-rate': '2.5/s',
};
