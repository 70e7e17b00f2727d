// Numbers, sizes, durations and event times as people read them. Event time is shown as the data has it, without a zone.

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1, minimumFractionDigits: 1 });

/** A count, shortened from ten million on. */
export function count(n: number): string {
  const value = Number.isFinite(n) ? Math.max(0, n) : 0;
  if (value >= 1e18) return '> 10^18';
  if (value >= 1e12) return `${short.format(value / 1e12)} T`;
  if (value >= 1e9) return `${short.format(value / 1e9)} G`;
  if (value >= 1e7) return `${short.format(value / 1e6)} M`;
  return whole.format(value);
}

/** A rate per second: one decimal below ten. */
export function rate(n: number): string {
  return n > 0 && n < 9.95 ? short.format(n) : count(n);
}

/** A number of bytes and its unit, in steps of 1,000. */
export function bytes(n: number): [string, string] {
  if (n >= 1e18) return ['> 10^18', 'B'];
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = Number.isFinite(n) ? Math.max(0, n) : 0;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return [unit === 0 || value >= 99.95 ? whole.format(value) : short.format(value), units[unit] ?? 'B'];
}

/** A duration in its two largest units. */
export function duration(ms: number): string {
  const s = ms / 1000;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (s < 59.95) return `${s.toFixed(1)} s`;
  const parts: [number, string][] = [
    [Math.floor(s / 86_400), 'd'],
    [Math.floor(s / 3_600) % 24, 'h'],
    [Math.floor(s / 60) % 60, 'min'],
    [Math.floor(s) % 60, 's'],
  ];
  if (s >= 86_400 * 1000) return '> 1,000 d';
  const first = parts.findIndex(([value]) => value > 0);
  return parts.slice(first, first + 2).map(([value, unit]) => `${value} ${unit}`).join(' ');
}

export function percent(share: number): string {
  const value = share * 100;
  return value > 0 && value < 9.95 ? `${value.toFixed(1)} %` : `${Math.round(value)} %`;
}

const MS_MIN = Date.UTC(0, 0, 1);
const MS_MAX = Date.UTC(9999, 11, 31);

/** Whether a time can be shown at all. */
export function isTime(ms: number | null | undefined): ms is number {
  return typeof ms === 'number' && ms >= MS_MIN && ms <= MS_MAX;
}

const pad = (n: number) => String(n).padStart(2, '0');
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `10:02` or, with seconds, `10:02:05`. */
export function time(ms: number | null, seconds = false): string {
  if (!isTime(ms)) return '–';
  const date = new Date(ms);
  const minutes = `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}`;
  return seconds ? `${minutes}:${pad(date.getUTCSeconds())}` : minutes;
}

/** `Wed 6 Jan 2016`. */
export function day(ms: number | null, parts: { weekday?: boolean; year?: boolean } = { weekday: true, year: true }): string {
  if (!isTime(ms)) return '–';
  const date = new Date(ms);
  const name = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
  return [parts.weekday && WEEKDAYS[date.getUTCDay()], name, parts.year && date.getUTCFullYear()].filter(Boolean).join(' ');
}

/** `6 Jan 2016 10:02`. */
export function moment(ms: number): string {
  return `${day(ms, { year: true })} ${time(ms)}`;
}

/** The hour that ended at `ms`: `6 Jan 09:00–10:00`. */
export function hour(endMs: number): string {
  const begin = endMs - 3_600_000;
  return `${day(begin, {})} ${time(begin)}–${time(endMs)}`;
}

/** A range as short as it can be told: the second day only when it differs. */
export function span(fromMs: number, toMs: number): string {
  const sameDay = day(fromMs) === day(toMs - 1);
  const end = sameDay && toMs % 86_400_000 === 0 ? '24:00' : time(toMs);
  return sameDay ? `${day(fromMs, { year: true })}, ${time(fromMs)}–${end}` : `${moment(fromMs)} – ${moment(toMs)}`;
}
