// What happened of late: asked for anew now and then while it is shown.
import { effect, signal } from '@preact/signals';
import { Failure, type Happening, timelineQuestions } from './api';
import { connection, tick } from './live';
import { shownPage } from './page';

export const happenings = signal<Happening[] | null>(null);
export const trouble = signal<string | null>(null);
/** How far back is looked, in seconds. */
export const span = signal<number>(3_600);
/** The end of what was asked for last, in milliseconds since the Unix epoch. */
export const until = signal<number>(Date.now());

/** It is asked for once in this many ticks. */
const TICKS = 3;

let asking: AbortController | null = null;

async function refresh(now: number): Promise<void> {
  if (asking) return;
  const mine = new AbortController();
  asking = mine;
  try {
    const { events } = await timelineQuestions.between(now - span.peek() * 1_000, now + 1, mine.signal);
    if (asking !== mine) return;
    happenings.value = events;
    until.value = now;
    trouble.value = null;
  } catch (error) {
    if (!mine.signal.aborted) trouble.value = error instanceof Failure ? error.message : 'The answer could not be read.';
  } finally {
    if (asking === mine) asking = null;
  }
}

export function look(seconds: number): void {
  span.value = seconds;
  happenings.value = null;
  asking?.abort();
  asking = null;
  void refresh(tick.peek()?.at_ms ?? Date.now());
}

/** Follows the ticks while the timeline is shown. */
export function followTimeline(): void {
  let ticks = 0;
  effect(() => {
    const newest = tick.value;
    if (shownPage.value !== 'timeline' || connection.value !== 'live' || newest === null) {
      ticks = 0;
      return;
    }
    if (ticks % TICKS === 0) void refresh(newest.at_ms);
    ticks += 1;
  });
}
