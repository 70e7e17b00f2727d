// The choice of a range of event time: following the newest results, or fixed; and how it is kept in the address.
import type { TimeRange } from './api';

export type Choice =
  /** The last `hours` of event time, or all of it, moving with the newest results. */
  | { kind: 'follow'; hours: number | null }
  | { kind: 'fixed'; range: TimeRange };

export const FOLLOW_ALL: Choice = { kind: 'follow', hours: null };

export const PRESETS: { label: string; hours: number | null }[] = [
  { label: 'Last hour', hours: 1 },
  { label: 'Last 6 hours', hours: 6 },
  { label: 'Last 24 hours', hours: 24 },
  { label: 'Last 7 days', hours: 168 },
  { label: 'Everything', hours: null },
];

const HOUR_MS = 3_600_000;

/** The range that a choice means over the results at hand; `null` when there are none to follow. */
export function resolve(choice: Choice, available: TimeRange | null): TimeRange | null {
  if (choice.kind === 'fixed') return choice.range;
  if (!available) return null;
  if (choice.hours === null) return available;
  return { from_ms: available.to_ms - choice.hours * HOUR_MS, to_ms: available.to_ms };
}

export function overlaps(a: TimeRange, b: TimeRange): boolean {
  return a.from_ms < b.to_ms && b.from_ms < a.to_ms;
}

/** The choice as the fragment of an address, so that a page on a wall comes back as it was. */
export function toFragment(choice: Choice): string {
  if (choice.kind === 'fixed') return `#from=${toField(choice.range.from_ms)}&to=${toField(choice.range.to_ms)}`;
  return choice.hours === null ? '' : `#last=${choice.hours}h`;
}

export function fromFragment(fragment: string): Choice {
  const parameters = new URLSearchParams(fragment.replace(/^#/, ''));
  const hours = /^(\d{1,5})h$/.exec(parameters.get('last') ?? '');
  if (hours && Number(hours[1]) > 0) return { kind: 'follow', hours: Number(hours[1]) };
  const [from, to] = [fromField(parameters.get('from') ?? ''), fromField(parameters.get('to') ?? '')];
  return from !== null && to !== null && from < to ? { kind: 'fixed', range: { from_ms: from, to_ms: to } } : FOLLOW_ALL;
}

/** A time as a field of a form has it: `2016-01-06T08:00`. */
export function toField(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16);
}

export function fromField(text: string): number | null {
  const ms = Date.parse(`${text}Z`);
  return /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$/.test(text) && Number.isFinite(ms) ? ms : null;
}
