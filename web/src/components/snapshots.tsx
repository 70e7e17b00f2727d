// Snapshots of the application: taken under a name, gone back to, removed; each change that cannot be taken back after a second click.
import { useEffect, useId, useState } from 'preact/hooks';
import { type Snapshot, orders, snapshotQuestions, wordsOf } from '../api';
import { controlOf, locked, run } from '../controls';
import { bytes } from '../format';
import { Instant, Zone } from './instant';

interface Answer {
  /** `null` until they are known. */
  kept: Snapshot[] | null;
  trouble: string | null;
}

/** What is kept of an application, asked for when it is first shown and whenever it may have changed. */
function useKept(application: string): [Answer, () => void] {
  const [answer, setAnswer] = useState<Answer>({ kept: null, trouble: null });
  const [looks, setLooks] = useState(0);
  useEffect(() => {
    const asking = new AbortController();
    const look = async () => {
      try {
        const { snapshots } = await snapshotQuestions.list(application, asking.signal);
        setAnswer({ kept: snapshots, trouble: null });
      } catch (error) {
        if (asking.signal.aborted) return;
        const trouble = wordsOf(error);
        setAnswer(({ kept }) => ({ kept, trouble }));
      }
    };
    void look();
    return () => asking.abort();
  }, [looks, application]);
  return [answer, () => setLooks((before) => before + 1)];
}

/** A name that sorts by its time. */
function proposed(): string {
  return `snapshot-${new Date().toISOString().slice(0, 19).replaceAll(':', '').replace('T', '-')}`;
}

function Line({ snapshot, application, parallelism, changed }: { snapshot: Snapshot; application: string; parallelism: number; changed: () => void }) {
  const [asked, ask] = useState<'restore' | 'remove' | null>(null);
  const { name } = snapshot;
  const control = controlOf('snapshots', application);
  const [size, unit] = bytes(snapshot.bytes);
  const go = async () => {
    if (asked === 'restore') await run(control, `The application goes on from ${name}.`, () => orders.restoreSnapshot(name, parallelism, application));
    else await run(control, `${name} is removed.`, () => orders.removeSnapshot(name, application));
    ask(null);
    changed();
  };
  return (
    <li data-testid="snapshot">
      <span class="snapshot-name">{name}</span>
      <span class="hint">
        <Instant ms={snapshot.created_ms} /> · {size} {unit}
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
          <button type="button" class="button button-strong" disabled={control.value.pending} onClick={() => void go()} data-testid="snapshot-yes">
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

interface Props {
  application: string;
  parallelism: number;
  running: boolean;
  /** Where they stand in a dialog. */
  close?: () => void;
}

function Kept({ application, parallelism, running, close }: Props) {
  const id = useId();
  const [name, setName] = useState(proposed);
  const [{ kept, trouble }, changed] = useKept(application);
  const control = controlOf('snapshots', application);
  const { pending, error } = control.value;
  const take = async (event: Event) => {
    event.preventDefault();
    await run(control, `${name} is taken.`, () => orders.takeSnapshot(name, application));
    if (control.peek().error === null) setName(proposed());
    changed();
  };
  return (
    <>
      <div class="dialog-head">
        <h2>{close ? `Snapshots of ${application}` : 'Snapshots'}</h2>
        <Zone />
        {close && (
          <button type="button" class="button" onClick={close}>
            Close
          </button>
        )}
      </div>
      <form class="snapshot-form" onSubmit={(event) => void take(event)}>
        <label for={id}>Name</label>
        <input id={id} value={name} maxLength={256} pattern="[A-Za-z0-9._\-]+" required onInput={(event) => setName(event.currentTarget.value)} />
        <button type="submit" class="button button-strong" disabled={pending || !running || locked.value} data-testid="snapshot-take">
          Take a snapshot
        </button>
      </form>
      {(error ?? trouble) && (
        <p class="control-error" role="alert" data-testid="snapshots-error">
          {error ?? trouble}
        </p>
      )}
      {kept === null && !trouble && <div class="skeleton" />}
      {kept?.length === 0 && <p class="panel-none">None was taken yet.</p>}
      <ul class="snapshots">
        {kept?.map((snapshot) => <Line key={snapshot.name} snapshot={snapshot} application={application} parallelism={parallelism} changed={changed} />)}
      </ul>
    </>
  );
}

/** All that is shown and asked here is of one application: another one begins anew. */
export function Snapshots(props: Props) {
  return <Kept key={props.application} {...props} />;
}
