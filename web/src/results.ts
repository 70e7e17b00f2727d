// Results for the chosen range and the visible part of the map, asked for anew whenever they have changed.
import { computed, effect, signal, untracked } from '@preact/signals';
import { type Bbox, type TimeRange, questions } from './api';
import { connection, revision } from './live';
import { Question } from './question';
import { type Choice, fromFragment, resolve, toFragment } from './range';

/** How many areas the list of top areas holds. */
export const TOP = 8;

export const choice = signal<Choice>(fromFragment(location.hash));
/** The range of all results: `undefined` until known, `null` when there are none. */
export const available = signal<TimeRange | null | undefined>(undefined);
export const range = computed(() => resolve(choice.value, available.value ?? null));
export const viewport = signal<{ box: Bbox; precision: number } | null>(null);
/** The cell whose card is open. */
export const selected = signal<string | null>(null);

export const extent = new Question(questions.range);
export const cells = new Question(questions.cells);
export const summary = new Question((asked: TimeRange, signal: AbortSignal) => questions.summary(asked, TOP, signal));
export const history = new Question(questions.history);

/** Where things stand before any answer is looked at: whether there are results at all. */
export const standing = computed<'loading' | 'unavailable' | 'empty' | 'ready'>(() => {
  if (available.value) return 'ready';
  if (available.value === null) return 'empty';
  return extent.answer.value.failure ? 'unavailable' : 'loading';
});

/** Lets the questions follow what they depend on. */
export function follow(): void {
  addEventListener('hashchange', () => {
    choice.value = fromFragment(location.hash);
  });
  // What there is.
  effect(() => {
    if (revision.value !== null && connection.value === 'live') extent.ask([], false);
  });
  effect(() => {
    const answer = extent.answer.value;
    if (answer.value) untracked(() => setAvailable(answer.value?.range ?? null));
  });
  // What is shown of it. A new choice replaces what is under way; newer results wait for it.
  effect(() => {
    const asked = range.value;
    if (!available.value || !asked) return;
    untracked(() => summary.ask([asked], changed('summary', asked)));
  });
  effect(() => {
    const [asked, seen] = [range.value, viewport.value];
    if (!available.value || !asked || !seen) return;
    untracked(() => cells.ask([seen.box, seen.precision, asked], changed('cells', [seen, choice.value])));
  });
  effect(() => {
    const [asked, cell] = [range.value, selected.value];
    if (!cell) return;
    if (changed('history', cell)) history.clear(true);
    if (asked) untracked(() => history.ask([cell, asked], false));
  });
}

export function choose(next: Choice): void {
  const address = toFragment(next) || location.pathname;
  window.history.replaceState(null, '', address);
  choice.value = next;
}

/** New results count as new also when their range is the old one. */
function setAvailable(next: TimeRange | null): void {
  available.value = next && { ...next };
  if (next) return;
  for (const question of [summary, cells, history]) question.clear(false);
  selected.value = null;
}

const last = new Map<string, string>();

/** Whether `value` differs from what was asked about last under this name. */
function changed(name: string, value: unknown): boolean {
  const text = JSON.stringify(value);
  const differs = last.get(name) !== text;
  last.set(name, text);
  return differs;
}
