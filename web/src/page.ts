// Which page is shown: told by the address, so that it can be kept and sent.
import { effect, signal, untracked } from '@preact/signals';

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

/** What stands behind the page: `#streams/NAME`; null where nothing does, or what does is no text. */
function nameOf(hash: string): string | null {
  const at = hash.indexOf('/');
  try {
    return at < 0 ? null : decodeURIComponent(hash.slice(at + 1)) || null;
  } catch {
    return null;
  }
}

export const shownPage = signal<Page>(pageOf(location.hash));
/** The stream, application or alarm that the address names. */
export const shownName = signal<string | null>(nameOf(location.hash));

/** Shows one thing on a page, by its address. */
export function goTo(page: Page, name: string): void {
  location.hash = `#${page}/${encodeURIComponent(name)}`;
}

/** Lets a page take the names that its address has. */
export function followName(page: Page, take: (name: string) => void): void {
  effect(() => {
    const name = shownName.value;
    if (shownPage.value === page && name !== null) untracked(() => take(name));
  });
}

export function followAddress(): void {
  // A link for one application, as the managed service's call makes it.
  const asked = new URLSearchParams(location.search).get('application');
  if (asked !== null) history.replaceState(null, '', `${location.pathname}#applications/${encodeURIComponent(asked)}`);
  const follow = () => {
    shownPage.value = pageOf(location.hash);
    shownName.value = nameOf(location.hash);
  };
  addEventListener('hashchange', follow);
  follow();
}
