// The alarms, and the past of the one that is looked at.
import { signal } from '@preact/signals';
import { type AlarmLine, type AlarmView, alarmQuestions } from './api';
import { askWhileShown } from './asking';
import { followName, goTo } from './page';

export const alarms = signal<AlarmLine[] | null>(null);
export const chosen = signal<string | null>(null);
export const view = signal<AlarmView | null>(null);
/** How far back is looked, in seconds. */
export const span = signal<number>(3_600);

/** They are asked for once in this many ticks. */
const TICKS = 2;
/** Those that ring stand first, then those that know nothing. */
const ORDER = { alarm: 0, insufficient_data: 1, ok: 2 } as const;

const asking = askWhileShown('alarms', TICKS, async (drop) => {
  const all = (await alarmQuestions.list(drop)).alarms.sort((a, b) => ORDER[a.state] - ORDER[b.state] || a.name.localeCompare(b.name));
  const name = all.some((line) => line.name === chosen.peek()) ? chosen.peek() : (all[0]?.name ?? null);
  const newest = name === null ? null : await alarmQuestions.view(name, span.peek(), drop);
  return () => {
    alarms.value = all;
    chosen.value = name;
    view.value = newest;
  };
});

export const trouble = asking.trouble;
export const refresh = asking.anew;

function show(name: string): void {
  if (name === chosen.peek()) return;
  chosen.value = name;
  view.value = null;
  asking.anew();
}

export function look(seconds: number): void {
  span.value = seconds;
  asking.anew();
}

followName('alarms', show);

export const choose = (name: string): void => goTo('alarms', name);
