// One of several things of a kind: which there are, which of them is looked at, and its newest view; asked for anew while shown.
import { type Signal, signal } from '@preact/signals';
import { type Asking, askWhileShown } from './asking';
import { type Page, followName, goTo } from './page';

export interface Chosen<L, V> extends Asking {
  /** `null` until they are known. */
  all: Signal<L[] | null>;
  /** The name of the one that is looked at: the one of the address, else the first. */
  chosen: Signal<string | null>;
  view: Signal<V | null>;
  choose: (name: string) => void;
}

/** What is to be seen on `page`, asked for once in `every` ticks: `list` tells what there is, `look` how one of them is. */
export function askChosen<L extends { name: string }, V>(
  page: Page,
  every: number,
  list: (drop: AbortSignal) => Promise<L[]>,
  look: (name: string, drop: AbortSignal) => Promise<V>,
): Chosen<L, V> {
  const all = signal<L[] | null>(null);
  const chosen = signal<string | null>(null);
  const view = signal<V | null>(null);
  const asking = askWhileShown(page, every, async (drop) => {
    const known = await list(drop);
    const name = known.some((line) => line.name === chosen.peek()) ? chosen.peek() : (known[0]?.name ?? null);
    const newest = name === null ? null : await look(name, drop);
    return () => {
      all.value = known;
      chosen.value = name;
      view.value = newest;
    };
  });
  followName(page, (name) => {
    if (name === chosen.peek()) return;
    chosen.value = name;
    view.value = null;
    asking.anew();
  });
  return { ...asking, all, chosen, view, choose: (name) => goTo(page, name) };
}
