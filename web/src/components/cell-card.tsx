// The card of one cell: pickups, share of all, and its hours.
import { count, hour, percent } from '../format';
import { placeOf } from '../map/places';
import { cells, history, selected, summary } from '../results';
import { Trouble } from './trouble';

function Hours({ hours }: { hours: { t: number; count: number }[] }) {
  const most = Math.max(1, ...hours.map((point) => point.count));
  const recent = hours.slice(-48);
  const busiest = recent.reduce((a, b) => (b.count > a.count ? b : a), recent[0] ?? { t: 0, count: 0 });
  return (
    <figure class="card-hours">
      <svg viewBox={`0 0 ${recent.length * 4} 32`} preserveAspectRatio="none" aria-hidden="true">
        {recent.map((point, i) => (
          <rect key={point.t} x={i * 4} width="3" y={32 - (point.count / most) * 32} height={(point.count / most) * 32}>
            <title>{`${hour(point.t)}: ${count(point.count)}`}</title>
          </rect>
        ))}
      </svg>
      <figcaption class="hint" data-testid="card-busiest">
        Busiest {hour(busiest.t)}: {count(busiest.count)}
      </figcaption>
    </figure>
  );
}

export function CellCard() {
  const geohash = selected.value;
  if (!geohash) return null;
  const past = history.answer.value;
  const known = cells.answer.value.value?.cells.find((cell) => cell.geohash === geohash)?.count;
  const pickups = past.value ? past.value.hours.reduce((sum, point) => sum + point.count, 0) : known;
  const all = summary.answer.value.value?.totals.pickups ?? 0;
  const place = placeOf(geohash);
  return (
    <section class="card" aria-label="Selected area" data-testid="card">
      <div class="card-head">
        <h3>{place ?? 'Area'}</h3>
        <code data-testid="card-geohash">{geohash}</code>
        <button type="button" class="icon-button" aria-label="Close" onClick={() => (selected.value = null)} data-testid="card-close">
          <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
            <path d="M2 2l8 8M10 2l-8 8" stroke="currentColor" stroke-width="1.6" fill="none" />
          </svg>
        </button>
      </div>
      <dl class="card-facts">
        <div>
          <dt>Pickups</dt>
          <dd data-testid="card-pickups">{pickups === undefined ? '–' : count(pickups)}</dd>
        </div>
        <div>
          <dt>Share of all</dt>
          <dd data-testid="card-share">{pickups === undefined || all === 0 ? '–' : percent(pickups / all)}</dd>
        </div>
      </dl>
      <Trouble words={past.failure} stale={past.value !== null} />
      {past.value && past.value.hours.length > 0 ? <Hours hours={past.value.hours} /> : past.loading && <div class="skeleton card-skeleton" />}
    </section>
  );
}
