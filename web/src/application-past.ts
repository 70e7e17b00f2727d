// What was told and done of the chosen application, and what it is set up with; asked for anew while it is shown.
import { effect, signal } from '@preact/signals';
import { type ApplicationDetail, type LogLine, type Operation, applicationQuestions } from './api';
import { chosen } from './applications';
import { askWhileShown } from './asking';

/** Most lines of a log that are kept; the oldest go first. */
export const LINES_MAX = 500;
/** It is asked for once in this many ticks. */
const TICKS = 2;
/** What it is set up with holds its script, and changes with an operation alone: else it is asked for once in this many times. */
const DETAIL_TIMES = 30;

export const lines = signal<LogLine[] | null>(null);
export const operations = signal<Operation[] | null>(null);
export const detail = signal<ApplicationDetail | null>(null);

/** Whose they are. */
let of: string | null = null;
/** The operations of which the details tell, and how often these were not asked for since. */
let told = '';
let skipped = 0;

const fingerprint = (done: Operation[]): string => done.map(({ id, status }) => `${id} ${status}`).join();

const asking = askWhileShown('applications', TICKS, async (drop) => {
  const name = chosen.peek();
  if (name === null) return () => undefined;
  const known = of === name ? (lines.peek() ?? []) : [];
  const [newer, done] = await Promise.all([
    applicationQuestions.lines(name, known.at(-1)?.number ?? 0, LINES_MAX, drop),
    applicationQuestions.operations(name, drop),
  ]);
  const newest = fingerprint(done.operations);
  const same = of === name && told === newest && skipped < DETAIL_TIMES;
  // After the operations, so that it is no older than they are.
  const setUp = same ? detail.peek() : await applicationQuestions.detail(name, drop);
  return () => {
    if (chosen.peek() !== name) return;
    [of, told, skipped] = [name, newest, same ? skipped + 1 : 0];
    lines.value = [...known, ...newer.lines].slice(-LINES_MAX);
    operations.value = done.operations;
    detail.value = setUp;
  };
});

export const trouble = asking.trouble;
export const refresh = asking.anew;

effect(() => {
  if (chosen.value === of) return;
  [of, lines.value, operations.value, detail.value] = [null, null, null, null];
  if (chosen.value !== null) asking.anew();
});
