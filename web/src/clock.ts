// Moments of the wall clock, in the zone of whoever reads them: unlike event time, which has none (format.ts).
import { isTime } from './format';

const PARTS = { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' } as const;
const thisYear = new Intl.DateTimeFormat('en-GB', PARTS);
const anyYear = new Intl.DateTimeFormat('en-GB', { ...PARTS, year: 'numeric' });
const minute = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const second = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });

/** `29 Nov, 13:02:05`; with its year where that is not the present one. */
export function when(ms: number | null | undefined): string {
  if (!isTime(ms)) return '–';
  const date = new Date(ms);
  return (date.getFullYear() === new Date().getFullYear() ? thisYear : anyYear).format(date);
}

/** The zone that all of these are told in. */
export function zone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone.replace('Etc/UTC', 'UTC');
}

/** What stands at the ticks of an axis, in seconds: a day where it begins, else the time within it. */
export function axisNames(ticks: number[]): string[] {
  const close = (ticks[1] ?? 60) - (ticks[0] ?? 0) < 60;
  const dates = ticks.map((s) => new Date(s * 1_000));
  return dates.map((date, i) => {
    const time = (close ? second : minute).format(date);
    const before = dates[i - 1];
    if (date.getHours() + date.getMinutes() + date.getSeconds() === 0) return day.format(date);
    return before && before.getDate() !== date.getDate() ? `${day.format(date)} ${time}` : time;
  });
}
