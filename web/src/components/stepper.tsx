// A number with buttons that halve and double it: the control for replay speed and shard count.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';

interface Props {
  id: string;
  label: string;
  /** The present value; `null` when there is none to halve or double. */
  value: number | null;
  min: number;
  max: number;
  pending: boolean;
  disabled?: boolean;
  set: (value: number) => void;
  children?: ComponentChildren;
}

export function Stepper({ id, label, value, min, max, pending, disabled = false, set, children }: Props) {
  const [draft, setDraft] = useState<string | null>(null);
  useEffect(() => setDraft(null), [value]);
  const off = pending || disabled;
  const wanted = draft === null ? value : Number(draft.replace(/[, ]/g, ''));
  const right = wanted !== null && Number.isFinite(wanted) && wanted >= min && wanted <= max && Number.isInteger(wanted);
  const changed = draft !== null && wanted !== value;
  const submit = (event: Event) => {
    event.preventDefault();
    if (changed && right && !off) set(wanted);
  };
  return (
    <form class="stepper" onSubmit={submit} aria-busy={pending} noValidate>
      <label for={id}>{label}</label>
      <div class="stepper-row">
        <button type="button" class="button" disabled={off || value === null || value / 2 < min} onClick={() => value !== null && set(Math.floor(value / 2))} aria-label={`Halve: ${label}`} data-testid={`${id}-halve`}>
          ½
        </button>
        <input
          id={id}
          data-testid={id}
          inputMode="numeric"
          autocomplete="off"
          value={draft ?? (value === null ? '' : value.toLocaleString('en-US'))}
          placeholder={value === null ? 'max' : ''}
          disabled={disabled}
          readOnly={pending}
          aria-invalid={draft !== null && !right}
          onInput={(event) => setDraft(event.currentTarget.value)}
          onKeyDown={(event) => event.key === 'Escape' && setDraft(null)}
        />
        <button type="button" class="button" disabled={off || value === null || value * 2 > max} onClick={() => value !== null && set(value * 2)} aria-label={`Double: ${label}`} data-testid={`${id}-double`}>
          ×2
        </button>
        {changed && (
          <button type="submit" class="button button-strong" disabled={off || !right} data-testid={`${id}-set`}>
            Set
          </button>
        )}
        {children}
      </div>
    </form>
  );
}
