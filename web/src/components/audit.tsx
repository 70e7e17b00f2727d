// The audit log for those who may read it: who did what, from where, and how it ended; the newest first, older ones on demand.
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type AuditEntry, type AuditPage, Failure, auditQuestions } from '../api';
import { day, time } from '../format';

const shown = signal<AuditEntry[]>([]);
const head = signal<Pick<AuditPage, 'newest' | 'hash'> | null>(null);
const trouble = signal<string | null>(null);

/** Entries of one answer. */
const ENTRIES = 100;

async function look(before: number | null, signal: AbortSignal): Promise<void> {
  try {
    const page = await auditQuestions.list(before, ENTRIES, signal);
    shown.value = before === null ? page.entries : [...shown.peek(), ...page.entries];
    head.value = page;
    trouble.value = null;
  } catch (error) {
    if (!signal.aborted) trouble.value = error instanceof Failure ? error.message : 'The answer could not be read.';
  }
}

/** What became of it, in words. */
function outcome({ event, status, note }: AuditEntry): string {
  const words = note === null ? '' : `: ${note}`;
  if (event === 'ended') return status !== null && status < 400 ? 'done' : `status ${status}${words}`;
  return `${event}${words}`;
}

function Row({ entry }: { entry: AuditEntry }) {
  const { number, at_ms, user, role, address, operation, subject } = entry;
  return (
    <tr>
      <th scope="row">{number}</th>
      <td>
        {day(at_ms)} {time(at_ms, true)}
      </td>
      <td>
        {user ?? '–'} {role && <span class="person-role">{role}</span>}
      </td>
      <td>{address ?? '–'}</td>
      <td class="audit-text">
        {entry.door ?? ''} {operation ?? ''} {subject && <strong>{subject}</strong>}
      </td>
      <td class="audit-text">{outcome(entry)}</td>
    </tr>
  );
}

function Entries() {
  const asking = useRef(new AbortController());
  useEffect(() => {
    void look(null, asking.current.signal);
    return () => asking.current.abort();
  }, []);
  const oldest = shown.value.at(-1);
  return (
    <>
      {trouble.value && (
        <p class="control-error" role="alert">
          {trouble.value}
        </p>
      )}
      {head.value && (
        <p class="hint" data-testid="audit-head">
          Head {head.value.newest}:{head.value.hash}
        </p>
      )}
      <div class="table-scroll shard-table">
        <table data-testid="audit-entries">
          <thead>
            <tr>
              <th scope="col">No.</th>
              <th scope="col">Time (UTC)</th>
              <th scope="col">Who</th>
              <th scope="col">From</th>
              <th scope="col">What</th>
              <th scope="col">Outcome</th>
            </tr>
          </thead>
          <tbody>
            {shown.value.map((entry) => (
              <Row key={entry.number} entry={entry} />
            ))}
          </tbody>
        </table>
      </div>
      {oldest && oldest.number > 1 && (
        <button type="button" class="button" onClick={() => void look(oldest.number, asking.current.signal)} data-testid="audit-older">
          Older
        </button>
      )}
    </>
  );
}

export function Audit() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <>
      <button type="button" class="link" onClick={() => setOpen(true)} data-testid="audit-open">
        Audit log
      </button>
      <dialog class="dialog audit" ref={dialog} aria-labelledby="audit-title" onClose={() => setOpen(false)} data-testid="audit-dialog">
        <div class="dialog-head">
          <h2 id="audit-title">Audit log</h2>
          <button type="button" class="button" onClick={() => setOpen(false)}>
            Close
          </button>
        </div>
        {open && <Entries />}
      </dialog>
    </>
  );
}
