// Who looks at the page, what their role may do, and what their orders must carry. Where nobody is asked, everybody may do everything.
import { computed, signal } from '@preact/signals';

/** What a request does, as the server names it. */
export type Access = 'look' | 'read' | 'register' | 'write' | 'control' | 'govern';

export interface Session {
  /** Whether the console asks who comes. */
  asked: boolean;
  key: string | null;
  user: string | null;
  role: string | null;
  rights: Access[];
  csrf: string | null;
  until_ms: number | null;
}

/** `null` until the console has said so. */
export const session = signal<Session | null>(null);

/** Whether the role may do that; while it is not known, nothing but looking. */
export function may(access: Access): boolean {
  return session.value?.rights.includes(access) ?? access === 'look';
}

/** Why there are no controls; `null` where there are. */
export const onlyLooks = computed<string | null>(() =>
  session.value !== null && !may('control') ? `The role ${session.value.role} may look, and change nothing.` : null,
);

/** Leads to the page of the login: nobody is known any more. */
export function toLogin(): void {
  location.assign('/login');
}

let asking: Promise<void> | null = null;

/** Asks who looks at the page; several at a time ask once. What fails is asked again by whoever needs it next. */
export function whoLooks(): Promise<void> {
  asking ??= ask().finally(() => {
    asking = null;
  });
  return asking;
}

async function ask(): Promise<void> {
  try {
    const response = await fetch('/api/session');
    if (response.status === 401) return toLogin();
    if (response.ok) session.value = (await response.json()) as Session;
  } catch {
    // The platform is away: the live connection says so, and asks again when it is back.
  }
}

/** Ends the session and leads to the page of the login. */
export async function leave(): Promise<void> {
  const csrf = session.value?.csrf ?? '';
  try {
    await fetch('/logout', { method: 'POST', headers: { 'x-csrf-token': csrf }, redirect: 'manual' });
  } finally {
    toLogin();
  }
}
