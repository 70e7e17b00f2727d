// The stream that is looked at: which one, its newest view, and its past; asked for anew with each tick while it is shown.
import { signal } from '@preact/signals';
import { type StreamHistory, type StreamLine, type StreamView, streamQuestions } from './api';
import { askWhileShown } from './asking';
import { followName, goTo } from './page';

export const streams = signal<StreamLine[] | null>(null);
export const chosen = signal<string | null>(null);
export const view = signal<StreamView | null>(null);
export const history = signal<StreamHistory | null>(null);
export const span = signal<number>(900);

/** A past that is longer moves more slowly: it is asked for once in this many ticks. */
const HISTORY_TICKS = 5;

const asking = askWhileShown('streams', 1, async (drop, nth) => {
  const all = (await streamQuestions.list(drop)).streams;
  const name = all.some((line) => line.name === chosen.peek()) ? chosen.peek() : (all[0]?.name ?? null);
  const newest = name === null ? null : await streamQuestions.view(name, drop);
  const past = name === null || nth % HISTORY_TICKS !== 0 ? null : await streamQuestions.history(name, span.peek(), drop);
  return () => {
    streams.value = all;
    chosen.value = name;
    view.value = newest;
    if (past || name === null) history.value = past;
  };
});

export const trouble = asking.trouble;

function show(name: string): void {
  if (name === chosen.peek()) return;
  chosen.value = name;
  view.value = null;
  history.value = null;
  asking.anew();
}

export function look(seconds: number): void {
  span.value = seconds;
  history.value = null;
  asking.anew();
}

followName('streams', show);

export const choose = (name: string): void => goTo('streams', name);
