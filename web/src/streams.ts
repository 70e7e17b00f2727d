// The stream that is looked at: which one, its newest view, and its past; asked for anew with each tick while it is shown.
import { effect, signal } from '@preact/signals';
import { Failure, type StreamHistory, type StreamLine, type StreamView, streamQuestions } from './api';
import { connection, tick } from './live';
import { followName, goTo, shownPage } from './page';

export const streams = signal<StreamLine[] | null>(null);
export const chosen = signal<string | null>(null);
export const view = signal<StreamView | null>(null);
export const history = signal<StreamHistory | null>(null);
export const span = signal<number>(900);
export const trouble = signal<string | null>(null);

/** A past that is longer moves more slowly: it is asked for once in this many ticks. */
const HISTORY_TICKS = 5;

let asking: AbortController | null = null;

async function refresh(withHistory: boolean): Promise<void> {
  if (asking) return;
  const mine = new AbortController();
  asking = mine;
  try {
    const all = await streamQuestions.list(mine.signal);
    const name = all.streams.some((line) => line.name === chosen.peek()) ? chosen.peek() : (all.streams[0]?.name ?? null);
    const newest = name === null ? null : await streamQuestions.view(name, mine.signal);
    const past = name === null || !withHistory ? null : await streamQuestions.history(name, span.peek(), mine.signal);
    if (asking !== mine) return;
    streams.value = all.streams;
    chosen.value = name;
    view.value = newest;
    if (past || name === null) history.value = past;
    trouble.value = null;
  } catch (error) {
    if (!mine.signal.aborted) trouble.value = error instanceof Failure ? error.message : 'The answer could not be read.';
  } finally {
    if (asking === mine) asking = null;
  }
}

function anew(): void {
  asking?.abort();
  asking = null;
  void refresh(true);
}

function show(name: string): void {
  if (name === chosen.peek()) return;
  chosen.value = name;
  view.value = null;
  history.value = null;
  anew();
}

export function look(seconds: number): void {
  span.value = seconds;
  history.value = null;
  anew();
}

/** Follows the ticks while streams are shown. */
export function followStreams(): void {
  followName('streams', show);
  let ticks = 0;
  effect(() => {
    const newest = tick.value;
    if (shownPage.value !== 'streams' || connection.value !== 'live' || newest === null) {
      ticks = 0;
      return;
    }
    void refresh(ticks % HISTORY_TICKS === 0);
    ticks += 1;
  });
}

export const choose = (name: string): void => goTo('streams', name);
