// The application that is looked at: which one, and its newest view; asked for anew with each tick while it is shown.
import { signal } from '@preact/signals';
import { type ApplicationLine, type ApplicationView, applicationQuestions } from './api';
import { askWhileShown } from './asking';
import { followName, goTo } from './page';

export const applications = signal<ApplicationLine[] | null>(null);
export const chosen = signal<string | null>(null);
export const view = signal<ApplicationView | null>(null);

const asking = askWhileShown('applications', 1, async (drop) => {
  const all = (await applicationQuestions.list(drop)).applications;
  const name = all.some((line) => line.name === chosen.peek()) ? chosen.peek() : (all[0]?.name ?? null);
  const newest = name === null ? null : await applicationQuestions.view(name, drop);
  return () => {
    applications.value = all;
    chosen.value = name;
    view.value = newest;
  };
});

export const trouble = asking.trouble;

function show(name: string): void {
  if (name === chosen.peek()) return;
  chosen.value = name;
  view.value = null;
  asking.anew();
}

followName('applications', show);

export const choose = (name: string): void => goTo('applications', name);
