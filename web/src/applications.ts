// The application that is looked at: which one, and its newest view; asked for anew with each tick while it is shown.
import { effect, signal } from '@preact/signals';
import { type ApplicationLine, type ApplicationView, Failure, applicationQuestions } from './api';
import { connection, tick } from './live';
import { shownPage } from './page';

export const applications = signal<ApplicationLine[] | null>(null);
export const chosen = signal<string | null>(null);
export const view = signal<ApplicationView | null>(null);
export const trouble = signal<string | null>(null);

let asking: AbortController | null = null;

async function refresh(): Promise<void> {
  if (asking) return;
  const mine = new AbortController();
  asking = mine;
  try {
    const all = (await applicationQuestions.list(mine.signal)).applications;
    const name = all.some((line) => line.name === chosen.peek()) ? chosen.peek() : (all[0]?.name ?? null);
    const newest = name === null ? null : await applicationQuestions.view(name, mine.signal);
    if (asking !== mine) return;
    applications.value = all;
    chosen.value = name;
    view.value = newest;
    trouble.value = null;
  } catch (error) {
    if (!mine.signal.aborted) trouble.value = error instanceof Failure ? error.message : 'The answer could not be read.';
  } finally {
    if (asking === mine) asking = null;
  }
}

export function choose(name: string): void {
  chosen.value = name;
  view.value = null;
  asking?.abort();
  asking = null;
  void refresh();
}

/** Follows the ticks while applications are shown. */
export function followApplications(): void {
  effect(() => {
    const newest = tick.value;
    if (shownPage.value === 'applications' && connection.value === 'live' && newest !== null) void refresh();
  });
}
