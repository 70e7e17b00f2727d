// Light or dark: what the system prefers, unless this reader chose otherwise.
import { computed, effect, signal } from '@preact/signals';

export type Theme = 'light' | 'dark';

const KEY = 'hailstream-theme';
const prefersDark = matchMedia('(prefers-color-scheme: dark)');
const system = signal<Theme>(prefersDark.matches ? 'dark' : 'light');
const chosen = signal<Theme | null>(stored());

export const theme = computed<Theme>(() => chosen.value ?? system.value);

function stored(): Theme | null {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : null;
  } catch {
    // A browser may forbid storage; then the choice lasts as long as the page.
    return null;
  }
}

export function toggleTheme(): void {
  chosen.value = theme.value === 'dark' ? 'light' : 'dark';
  try {
    localStorage.setItem(KEY, chosen.value);
  } catch {
    // As above.
  }
}

export function applyTheme(): void {
  prefersDark.addEventListener('change', (event) => {
    system.value = event.matches ? 'dark' : 'light';
  });
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
  });
}

/** A colour token of the present theme, for what is drawn on a canvas. */
export function colour(token: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(token).trim();
}
