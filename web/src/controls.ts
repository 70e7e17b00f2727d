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

export const replayControl: Control = signal({ pending: false, error: null });
export const shardsControl: Control = signal({ pending: false, error: null });
export const parallelismControl: Control = signal({ pending: false, error: null });
export const snapshotControl: Control = signal({ pending: false, error: null });
export const alarmControl: Control = signal({ pending: false, error: null });
export const scalingControl: Control = signal({ pending: false, error: null });
export const applicationControl: Control = signal({ pending: false, error: null });
export const streamControl: Control = signal({ pending: false, error: null });

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
