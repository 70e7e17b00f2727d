// Snapshots of the application: taken under a name, gone back to, removed; each change that cannot be taken back after a second click.
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { Failure, type Snapshot, orders, snapshotQuestions } from '../api';
import { locked, run, snapshotControl } from '../controls';
import { bytes, day, time } from '../format';

const known = signal<Snapshot[] | null>(null);
const trouble = signal<string | null>(null);

async function look(signal: AbortSignal, application?: string): Promise<void> {
  try {
    known.value = (await snapshotQuestions.list(signal, application)).snapshots;
    trouble.value = null;
  } catch (error) {
    if (!signal.aborted) trouble.value = error instanceof Failure ? error.message : 'The answer could not be read.';
  }
}

/** A name that sorts by its time. */
function proposed(): string {
  return `snapshot-${new Date().toISOString().slice(0, 19).replaceAll(':', '').replace('T', '-')}`;
}

function Line({ snapshot, application, parallelism, changed }: { snapshot: Snapshot; application: string | undefined; parallelism: number; changed: () => void }) {
  const [asked, ask] = useState<'restore' | 'remove' | null>(null);
  const { name } = snapshot;
  const [size, unit] = bytes(snapshot.bytes);
  const go = async () => {
    if (asked === 'restore') await run(snapshotControl, `The application goes on from ${name}.`, () => orders.restoreSnapshot(name, parallelism, application));
    else await run(snapshotControl, `${name} is removed.`, () => orders.removeSnapshot(name, application));
    ask(null);
    changed();
  };
  return (
    <li data-testid="snapshot">
      <span class="snapshot-name">{name}</span>
      <span class="hint">
        {day(snapshot.created_ms)} {time(snapshot.created_ms, true)} UTC · {size} {unit}
      </span>
      {asked === null ? (
        <span class="snapshot-actions">
          <button type="button" class="link" disabled={locked.value} onClick={() => ask('restore')} aria-label={`Go back to ${name}`}>
            Go back to it
          </button>
          <button type="button" class="link" disabled={locked.value} onClick={() => ask('remove')} aria-label={`Remove ${name}`}>
            Remove
          </button>
        </span>
      ) : (
        <span class="snapshot-actions">
          <span>{asked === 'restore' ? `Go back with parallelism ${parallelism}? What came after it is read again.` : 'Remove it for good?'}</span>
          <button type="button" class="button button-strong" disabled={snapshotControl.value.pending} onClick={() => void go()} data-testid="snapshot-yes">
            {asked === 'restore' ? 'Go back' : 'Remove'}
          </button>
          <button type="button" class="button" onClick={() => ask(null)}>
            Cancel
          </button>
        </span>
      )}
    </li>
  );
}

/** Of the application that is named, or of the one that is shown; `close` where it stands in a dialog. */
export function Snapshots({ application, parallelism, running, close }: { application?: string; parallelism: number; running: boolean; close?: () => void }) {
  const [name, setName] = useState(proposed);
  const [looks, setLooks] = useState(0);
  useEffect(() => {
    const asking = new AbortController();
    void look(asking.signal, application);
    return () => asking.abort();
  }, [looks, application]);
  const changed = () => setLooks(looks + 1);
  const { pending, error } = snapshotControl.value;
  const take = async (event: Event) => {
    event.preventDefault();
    await run(snapshotControl, `${name} is taken.`, () => orders.takeSnapshot(name, application));
    if (snapshotControl.peek().error === null) setName(proposed());
    changed();
  };
  return (
    <>
      <div class="dialog-head">
        <h2 id="snapshots-title">Snapshots</h2>
        {close && (
          <button type="button" class="button" onClick={close}>
            Close
          </button>
        )}
      </div>
      <form class="snapshot-form" onSubmit={(event) => void take(event)}>
        <label for="snapshot-name">Name</label>
        <input id="snapshot-name" value={name} maxLength={256} pattern="[A-Za-z0-9._\-]+" required onInput={(event) => setName(event.currentTarget.value)} />
        <button type="submit" class="button button-strong" disabled={pending || !running || locked.value} data-testid="snapshot-take">
          Take a snapshot
        </button>
      </form>
      {(error ?? trouble.value) && (
        <p class="control-error" role="alert" data-testid="snapshots-error">
          {error ?? trouble.value}
        </p>
      )}
      {known.value === null && !trouble.value && <div class="skeleton" />}
      {known.value?.length === 0 && <p class="panel-none">None was taken yet.</p>}
      <ul class="snapshots">
        {known.value?.map((snapshot) => <Line key={snapshot.name} snapshot={snapshot} application={application} parallelism={parallelism} changed={changed} />)}
      </ul>
    </>
  );
}
