// The choice of a range of event time: follow the newest results, or stand at a fixed range.
import { useRef, useState } from 'preact/hooks';
import { span } from '../format';
import { type Choice, PRESETS, fromField, toField } from '../range';
import { available, choice, choose, range } from '../results';

const ID = 'range-menu';

function label(chosen: Choice): string {
  if (chosen.kind === 'fixed') return span(chosen.range.from_ms, chosen.range.to_ms);
  return PRESETS.find(({ hours }) => hours === chosen.hours)?.label ?? `Last ${chosen.hours} hours`;
}

function Fixed({ done }: { done: () => void }) {
  const shown = range.value ?? available.value;
  const [from, setFrom] = useState(shown ? toField(shown.from_ms) : '');
  const [to, setTo] = useState(shown ? toField(shown.to_ms) : '');
  const [wrong, setWrong] = useState<string | null>(null);
  const apply = (event: Event) => {
    event.preventDefault();
    const [from_ms, to_ms] = [fromField(from), fromField(to)];
    if (from_ms === null || to_ms === null) return setWrong('Both times are needed.');
    if (from_ms >= to_ms) return setWrong('From must be before to.');
    setWrong(null);
    choose({ kind: 'fixed', range: { from_ms, to_ms } });
    done();
  };
  return (
    <form class="range-form" onSubmit={apply} noValidate>
      <h3>Fixed range</h3>
      <label>
        From
        <input type="datetime-local" value={from} onInput={(e) => setFrom(e.currentTarget.value)} data-testid="range-from" />
      </label>
      <label>
        To
        <input type="datetime-local" value={to} onInput={(e) => setTo(e.currentTarget.value)} data-testid="range-to" />
      </label>
      {wrong && (
        <p class="control-error" role="alert">
          {wrong}
        </p>
      )}
      <button type="submit" class="button button-strong" data-testid="range-apply">
        Apply
      </button>
    </form>
  );
}

function Historic({ done }: { done: () => void }) {
  const all = available.value;
  if (!all) return <p class="hint">There are no results yet.</p>;
  return (
    <p class="hint">
      Results cover {span(all.from_ms, all.to_ms)}.{' '}
      <button
        type="button"
        class="link"
        onClick={() => {
          choose({ kind: 'fixed', range: all });
          done();
        }}
      >
        Hold this range
      </button>
    </p>
  );
}

export function RangePicker() {
  const menu = useRef<HTMLDivElement>(null);
  const [openings, setOpenings] = useState(0);
  const close = () => menu.current?.hidePopover();
  const chosen = choice.value;
  return (
    <div class="range">
      <button type="button" class="button range-button" popovertarget={ID} data-testid="range" aria-haspopup="dialog">
        <span class="range-kind">{chosen.kind === 'follow' ? 'Following' : 'Fixed'}</span>
        {label(chosen)}
        <svg viewBox="0 0 12 12" width="10" height="10" aria-hidden="true">
          <path d="M2 4l4 4 4-4" fill="none" stroke="currentColor" stroke-width="1.6" />
        </svg>
      </button>
      <div
        class="menu range-menu"
        id={ID}
        popover="auto"
        ref={menu}
        role="dialog"
        aria-label="Range of event time"
        onBeforeToggle={(event) => event.newState === 'open' && setOpenings(openings + 1)}
      >
        <h3>Follow the newest results</h3>
        <div class="range-presets">
          {PRESETS.map(({ label: name, hours }) => (
            <button
              type="button"
              class="button"
              key={name}
              aria-pressed={chosen.kind === 'follow' && chosen.hours === hours}
              data-testid={`range-last-${hours ?? 'all'}`}
              onClick={() => {
                choose({ kind: 'follow', hours });
                close();
              }}
            >
              {name}
            </button>
          ))}
        </div>
        <Fixed done={close} key={openings} />
        <Historic done={close} />
      </div>
    </div>
  );
}
