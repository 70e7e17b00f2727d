// The streams, the one that is looked at, and its past.
import { computed, effect, signal } from '@preact/signals';
import { type StreamHistory, streamQuestions } from './api';
import { askWhileShown } from './asking';
import { askChosen } from './chosen';

const asking = askChosen('streams', 1, async (drop) => (await streamQuestions.list(drop)).streams, streamQuestions.view);

export const { all: streams, chosen, view, choose } = asking;
export const history = signal<StreamHistory | null>(null);
export const span = signal<number>(900);

/** A past that is longer moves more slowly: it is asked for once in this many ticks. */
const HISTORY_TICKS = 5;

const askingHistory = askWhileShown('streams', HISTORY_TICKS, async (drop) => {
  const name = chosen.peek();
  const newest = name === null ? null : await streamQuestions.history(name, span.peek(), drop);
  return () => {
    history.value = newest;
  };
});

export const trouble = computed(() => asking.trouble.value ?? askingHistory.trouble.value);

function anew(): void {
  history.value = null;
  askingHistory.anew();
}

// The past of one stream is not that of another.
effect(() => {
  if (chosen.value !== null) anew();
});

export function look(seconds: number): void {
  span.value = seconds;
  anew();
}
