// Controls: what is under way, what was refused, and what is said about it aloud.
import { type Signal, computed, signal } from '@preact/signals';
import { Failure } from './api';
import { connection } from './live';
import { may } from './session';

export interface ControlState {
  pending: boolean;
  error: string | null;
}

/** The last thing worth saying to someone who does not see the page. */
export const announcement = signal('');

export type Control = Signal<ControlState>;

/** There is one replay, and one list of rules. */
export const replayControl: Control = signal({ pending: false, error: null });
export const scalingControl: Control = signal({ pending: false, error: null });
/** One application is made at a time. */
export const creationControl: Control = signal({ pending: false, error: null });

const known = new Map<string, Control>();

/**
 * The control of one thing: what is under way or was refused for it is told of no other, and still is when one comes back to it.
 * The strip has controls of its own beside those of the pages.
 */
export function controlOf(kind: 'application' | 'stream' | 'snapshots' | 'alarm' | 'strip-application' | 'strip-stream', name: string): Control {
  const key = `${kind} ${name}`;
  const control = known.get(key) ?? signal({ pending: false, error: null });
  known.set(key, control);
  return control;
}

/** Whether no order can be given: the platform is away, or the role may change nothing. */
export const locked = computed(() => connection.value !== 'live' || !may('control'));

/** Sends an order; its outcome shows beside the control, and `said` is announced when it was taken. */
export async function run(control: Control, said: string, order: () => Promise<void>): Promise<void> {
  if (control.peek().pending) return;
  control.value = { pending: true, error: null };
  try {
    await order();
    control.value = { pending: false, error: null };
    announcement.value = said;
  } catch (error) {
    const words = error instanceof Failure ? error.message : 'The order could not be sent.';
    control.value = { pending: false, error: words };
    announcement.value = words;
  }
}
