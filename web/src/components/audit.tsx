// The audit log for those who may read it: who did what, from where, and how it ended; the newest first, older ones on demand.
import { useEffect, useRef, useState } from 'preact/hooks';
import { type AuditEntry, type AuditPage, auditQuestions, wordsOf } from '../api';
import { zone } from '../clock';
import { Instant } from './instant';

/** Entries of one answer. */
const ENTRIES = 100;

interface Log {
  shown: AuditEntry[];
  /** `null` until it is known. */
  head: Pick<AuditPage, 'newest' | 'hash'> | null;
  trouble: string | null;
  asking: boolean;
}

/** The newest entries, and a way to ask for those before: one page at a time, so that none comes twice. */
function useLog(): [Log, (before: number) => void] {
  const [log, setLog] = useState<Log>({ shown: [], head: null, trouble: null, asking: false });
  const under = useRef<AbortController | null>(null);
  const look = async (before: number | null) => {
    if (under.current) return;
    const mine = new AbortController();
    under.current = mine;
    setLog((now) => ({ ...now, asking: true }));
    try {
      const page = await auditQuestions.list(before, ENTRIES, mine.signal);
      setLog(({ shown }) => ({ shown: [...shown, ...page.entries], head: page, trouble: null, asking: false }));
    } catch (error) {
      const trouble = wordsOf(error);
      if (!mine.signal.aborted) setLog((now) => ({ ...now, trouble, asking: false }));
    } finally {
      under.current = null;
    }
  };
  useEffect(() => {
    void look(null);
    return () => under.current?.abort();
  }, []);
  return [log, (before) => void look(before)];
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
        <Instant ms={at_ms} />
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
  const [{ shown, head, trouble, asking }, older] = useLog();
  const oldest = shown.at(-1);
  return (
    <>
      {trouble && (
        <p class="control-error" role="alert">
          {trouble}
        </p>
      )}
      {head && (
        <p class="hint audit-text" data-testid="audit-head">
          Head {head.newest}:{head.hash}
        </p>
      )}
      <div class="table-scroll shard-table">
        <table data-testid="audit-entries">
          <thead>
            <tr>
              <th scope="col">No.</th>
              <th scope="col">Time ({zone()})</th>
              <th scope="col">Who</th>
              <th scope="col">From</th>
              <th scope="col">What</th>
              <th scope="col">Outcome</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((entry) => (
              <Row key={entry.number} entry={entry} />
            ))}
          </tbody>
        </table>
      </div>
      {oldest && oldest.number > 1 && (
        <button type="button" class="button" disabled={asking} aria-busy={asking} onClick={() => older(oldest.number)} data-testid="audit-older">
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
