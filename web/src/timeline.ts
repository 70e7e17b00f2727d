// What happened of late: asked for anew now and then while it is shown.
import { signal } from '@preact/signals';
import { type Happening, timelineQuestions } from './api';
import { askWhileShown } from './asking';
import { tick } from './live';

export const happenings = signal<Happening[] | null>(null);
/** How far back is looked, in seconds. */
export const span = signal<number>(3_600);
/** The end of what was asked for last, in milliseconds since the Unix epoch. */
export const until = signal<number>(Date.now());

/** It is asked for once in this many ticks. */
const TICKS = 3;

const asking = askWhileShown('timeline', TICKS, async (drop) => {
  const now = tick.peek()?.at_ms ?? Date.now();
  const { events } = await timelineQuestions.between(now - span.peek() * 1_000, now + 1, drop);
  return () => {
    happenings.value = events;
    until.value = now;
  };
});

export const trouble = asking.trouble;

export function look(seconds: number): void {
  span.value = seconds;
  happenings.value = null;
  asking.anew();
}
