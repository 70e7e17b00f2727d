// Asking again with each tick while a page is shown: one question at a time, the newest answer wins, trouble in words.
import { type Signal, effect, signal } from '@preact/signals';
import { wordsOf } from './api';
import { connection, tick } from './live';
import { type Page, shownPage } from './page';

export interface Asking {
  trouble: Signal<string | null>;
  /** Asks at once; what is under way is dropped. */
  anew: () => void;
}

/** Asks while `page` is shown, once in `every` ticks; what `ask` gives puts the answers where they belong, unless it was dropped meanwhile. */
export function askWhileShown(page: Page, every: number, ask: (drop: AbortSignal) => Promise<() => void>): Asking {
  const trouble = signal<string | null>(null);
  let under: AbortController | null = null;
  const refresh = async () => {
    if (under) return;
    const mine = new AbortController();
    under = mine;
    try {
      const show = await ask(mine.signal);
      if (under !== mine) return;
      show();
      trouble.value = null;
    } catch (error) {
      if (!mine.signal.aborted) trouble.value = wordsOf(error);
    } finally {
      if (under === mine) under = null;
    }
  };
  let ticks = 0;
  effect(() => {
    const newest = tick.value;
    if (shownPage.value !== page || connection.value !== 'live' || newest === null) {
      ticks = 0;
      return;
    }
    if (ticks % every === 0) void refresh();
    ticks += 1;
  });
  const anew = () => {
    under?.abort();
    under = null;
    void refresh();
  };
  return { trouble, anew };
}
