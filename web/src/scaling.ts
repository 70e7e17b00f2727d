// Load, lag and size over time, and what was decided: asked for anew while they are shown.
import { signal } from '@preact/signals';
import { type Scaling, scalingQuestions } from './api';
import { askWhileShown } from './asking';

export const scaling = signal<Scaling | null>(null);
/** How far back is looked, in seconds. */
export const span = signal<number>(3_600);

/** It is asked for once in this many ticks. */
const TICKS = 2;

const asking = askWhileShown('scaling', TICKS, async (drop) => {
  const newest = await scalingQuestions.past(span.peek(), drop);
  return () => {
    scaling.value = newest;
  };
});

export const trouble = asking.trouble;
export const refresh = asking.anew;

export function look(seconds: number): void {
  span.value = seconds;
  scaling.value = null;
  asking.anew();
}
