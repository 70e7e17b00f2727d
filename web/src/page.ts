// Which page is shown: told by the address, so that it can be kept and sent.
import { signal } from '@preact/signals';

export type Page = 'results' | 'streams' | 'applications' | 'scaling' | 'alarms' | 'timeline';

/** Pages in the order of their tabs, with their addresses. */
export const PAGES: { page: Page; hash: string; title: string }[] = [
  { page: 'results', hash: '#', title: 'Results' },
  { page: 'streams', hash: '#streams', title: 'Streams' },
  { page: 'applications', hash: '#applications', title: 'Applications' },
  { page: 'scaling', hash: '#scaling', title: 'Scaling' },
  { page: 'alarms', hash: '#alarms', title: 'Alarms' },
  { page: 'timeline', hash: '#timeline', title: 'Timeline' },
];

const pageOf = (hash: string): Page => PAGES.find((known) => known.hash !== '#' && hash.startsWith(known.hash))?.page ?? 'results';

export const shownPage = signal<Page>(pageOf(location.hash));

export function followAddress(): void {
  addEventListener('hashchange', () => {
    shownPage.value = pageOf(location.hash);
  });
}
