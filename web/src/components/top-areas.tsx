// The areas with the most pickups; a click shows one on the map.
import type { Cell } from '../api';
import { count } from '../format';
import { placeOf } from '../map/places';
import { selected, summary } from '../results';
import { showArea } from './show-area';
import { Panel } from './panel';

function Area({ cell, most }: { cell: Cell; most: number }) {
  const place = placeOf(cell.geohash);
  return (
    <li>
      <button type="button" class="area" onClick={() => showArea(cell.geohash)} aria-pressed={selected.value === cell.geohash} title="Show on the map">
        <span class="area-bar" style={{ width: `${Math.max(1, (cell.count / most) * 100)}%` }} />
        <span class="area-name">
          {place && <span>{place}</span>}
          <code title={cell.geohash}>{cell.geohash}</code>
        </span>
        <span class="area-count">{count(cell.count)}</span>
      </button>
    </li>
  );
}

export function TopAreas() {
  return (
    <Panel id="top" title="Top areas" hint="by pickups" answer={summary.answer.value} empty={(value) => value.top.length === 0}>
      {(value) => (
        <ol class="areas" data-testid="top-areas">
          {value.top.map((cell) => (
            <Area key={cell.geohash} cell={cell} most={Math.max(1, value.top[0]?.count ?? 1)} />
          ))}
        </ol>
      )}
    </Panel>
  );
}
