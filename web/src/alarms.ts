// The alarms, and the past of the one that is looked at.
import { signal } from '@preact/signals';
import { type AlarmLine, alarmQuestions } from './api';
import { askChosen } from './chosen';

/** How far back is looked, in seconds. */
export const span = signal<number>(3_600);

/** They are asked for once in this many ticks. */
const TICKS = 2;
/** Those that ring stand first, then those that know nothing. */
const ORDER = { alarm: 0, insufficient_data: 1, ok: 2 } as const;

const inOrder = (a: AlarmLine, b: AlarmLine): number => ORDER[a.state] - ORDER[b.state] || a.name.localeCompare(b.name);

const asking = askChosen(
  'alarms',
  TICKS,
  async (drop) => (await alarmQuestions.list(drop)).alarms.sort(inOrder),
  (name, drop) => alarmQuestions.view(name, span.peek(), drop),
);

export const { all: alarms, chosen, view, trouble, choose } = asking;
export const refresh = asking.anew;

export function look(seconds: number): void {
  span.value = seconds;
  asking.anew();
}
