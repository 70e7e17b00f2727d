// The frame that all results share: title, state while there is nothing to show, and a note when the newest answer failed.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Answer } from '../question';
import { standing } from '../results';
import { Trouble } from './trouble';

interface Props<T> {
  id: string;
  title: string;
  hint?: ComponentChildren;
  answer: Answer<T>;
  /** Whether the answer holds nothing to show. */
  empty: (value: T) => boolean;
  /** The same numbers as a table, for who cannot see a drawing, or wants to read it out. */
  table?: (value: T) => ComponentChildren;
  children: (value: T) => ComponentChildren;
}

function content<T>({ answer, empty, children }: Props<T>): ComponentChildren {
  if (standing.value === 'empty') return <p class="panel-none">No results yet.</p>;
  if (standing.value === 'unavailable') return <p class="panel-none">Not available.</p>;
  if (answer.value === null) return answer.failure ? null : <div class="skeleton" />;
  return empty(answer.value) ? <p class="panel-none">Nothing in this range.</p> : children(answer.value);
}

export function Panel<T>(props: Props<T>) {
  const { id, title, hint, answer, table, empty } = props;
  const [open, setOpen] = useState(false);
  const value = answer.value !== null && !empty(answer.value) && standing.value === 'ready' ? answer.value : null;
  const loading = answer.loading && standing.value !== 'empty' && standing.value !== 'unavailable';
  return (
    <section class={`panel panel-${id}`} aria-labelledby={`${id}-title`} aria-busy={loading} data-testid={id}>
      <div class="panel-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {hint && value && <p class="hint">{hint}</p>}
        {table && value && (
          <button type="button" class="link table-switch" aria-expanded={open} onClick={() => setOpen(!open)} data-testid={`${id}-as-table`}>
            {open ? 'Hide table' : 'Table'}
          </button>
        )}
      </div>
      <Trouble words={answer.failure} stale={answer.value !== null} />
      {content(props)}
      {open && table && value && <div class="table-scroll">{table(value)}</div>}
    </section>
  );
}
