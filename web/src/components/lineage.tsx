// The lineage of a stream's shards: time to the right, the key space downwards, a band for each shard from split to merge.
import { useState } from 'preact/hooks';
import type { Band } from '../api';
import { count, duration, percent } from '../format';
import { Instant } from './instant';

const WIDTH = 1000;
const HEIGHT = 260;
/** From this many bands on there is no room for lines between them. */
const OUTLINES_MAX = 300;

interface Span {
  from: number;
  to: number;
}

/** The time that is drawn: from the first opening that matters to now, and at least a minute. */
function span(bands: Band[], now: number): Span {
  const first = Math.min(now - 60_000, ...bands.map((band) => band.opened_ms));
  const changes = bands.flatMap((band) => (band.closed_ms === null ? [] : [band.closed_ms]));
  // A stream that rested for days before its first change is drawn from a little before it.
  const change = changes.length ? Math.min(...changes) : first;
  const from = Math.max(first, change - Math.max(60_000, (now - change) / 4));
  return { from: changes.length ? from : first, to: now };
}

function words(band: Band): string {
  const who = band.shards > 1 ? `${count(band.shards)} shards from shard ${band.number} on` : `Shard ${band.number}`;
  const parents = band.parents.length > 0 ? `, from ${band.parents.join(' and ')}` : '';
  const state = band.closed_ms === null ? 'open' : `closed after ${duration(Math.max(0, band.closed_ms - band.opened_ms))}`;
  return `${who}${parents}: ${percent(band.to - band.from)} of the keys, ${state}`;
}

export function Lineage({ bands, now }: { bands: Band[]; now: number }) {
  const [pointed, setPointed] = useState<number | null>(null);
  const { from, to } = span(bands, now);
  const x = (ms: number) => (Math.min(1, Math.max(0, (ms - from) / (to - from))) * WIDTH);
  const shown = bands.filter((band) => (band.closed_ms ?? now) >= from);
  const chosen = pointed === null ? undefined : shown.find((band) => band.number === pointed);
  const lined = shown.length <= OUTLINES_MAX;
  const step = (by: number) => {
    const at = shown.findIndex((band) => band.number === pointed);
    const next = shown[Math.min(shown.length - 1, Math.max(0, at + by))];
    if (next) setPointed(next.number);
  };
  const key = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    step(by);
  };
  return (
    <div class="lineage">
      <div
        role="application"
        tabIndex={0}
        aria-label={`Lineage of ${count(shown.length)} shards; arrow keys go from shard to shard`}
        onKeyDown={key}
        onPointerLeave={() => setPointed(null)}
        data-testid="lineage"
      >
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          {shown.map((band) => {
            const [left, right] = [x(band.opened_ms), x(band.closed_ms ?? now)];
            return (
              <rect
                key={band.number}
                class="band"
                data-open={band.closed_ms === null}
                data-lined={lined}
                data-pointed={band.number === pointed}
                data-parity={band.number % 2}
                x={left}
                y={band.from * HEIGHT}
                width={Math.max(1, right - left)}
                height={Math.max(0.5, (band.to - band.from) * HEIGHT)}
                onPointerEnter={() => setPointed(band.number)}
              />
            );
          })}
        </svg>
      </div>
      <div class="lineage-axis" aria-hidden="true">
        <Instant ms={from} />
        <span class="hint">keys from top to bottom</span>
        <span>now</span>
      </div>
      <p class="lineage-words" aria-live="polite" data-testid="lineage-words">
        {chosen ? words(chosen) : 'Point at a band to see its shard.'}
      </p>
    </div>
  );
}
