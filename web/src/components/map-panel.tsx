// The map with its legend, the number under the pointer, the card of the selected cell, and its numbers as a table.
import { effect, signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Cell } from '../api';
import { count } from '../format';
import { alongCells, bounds, precisionForZoom } from '../geohash';
import { placeOf } from '../map/places';
import { MapView } from '../map/view';
import { cells, range, selected, standing, viewport } from '../results';
import { classes, colourOf } from '../scale';
import { theme } from '../theme';
import { CellCard } from './cell-card';
import { Trouble } from './trouble';
import { setMapView, showArea } from './show-area';

const hovered = signal<{ geohash: string; x: number; y: number } | null>(null);
const broken = signal<string | null>(null);

/** The greatest count of the cells that have a place on the map. */
function greatest(shown: Cell[]): number {
  return shown.reduce((most, cell) => (cell.count > most && bounds(cell.geohash) ? cell.count : most), 0);
}

function currentClasses(): number[] {
  return classes(greatest(cells.answer.value.value?.cells ?? []));
}

function useMap() {
  const holder = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!holder.current) return;
    let view: MapView;
    try {
      view = new MapView(holder.current, {
        moved(box, zoom) {
          const precision = precisionForZoom(zoom);
          viewport.value = { box: alongCells(box, precision), precision };
        },
        hovered: (geohash, at) => (hovered.value = geohash ? { geohash, ...at } : null),
        clicked: (geohash) => (selected.value = geohash),
      });
    } catch (error) {
      console.error(error);
      broken.value = 'The map needs WebGL 2, which this browser does not offer. The table below has the numbers.';
      // The table still needs to know what to ask for: the whole of the city.
      viewport.value = { box: alongCells({ west: -74.3, south: 40.45, east: -73.65, north: 40.95 }, 6), precision: 6 };
      return;
    }
    setMapView(view);
    const stop = [
      effect(() => view.setCells(cells.answer.value.value?.cells ?? [], currentClasses())),
      effect(() => view.frame('hovered', hovered.value?.geohash ?? null)),
      effect(() => view.frame('selected', selected.value)),
      effect(() => void (theme.value && view.repaint())),
    ];
    return () => {
      stop.forEach((end) => end());
      setMapView(null);
      view.remove();
    };
  }, []);
  return holder;
}

function Legend() {
  const bounds = currentClasses();
  if (!cells.answer.value.value?.cells.length) return null;
  return (
    <figure class="legend" data-testid="legend">
      <figcaption>Pickups per area</figcaption>
      <ol>
        {bounds.map((bound, i) => (
          <li key={bound}>
            <span class="legend-colour" style={{ background: `var(--scale-${colourOf(i, bounds)})` }} />
            <span>{bound >= 10_000 ? `${bound / 1000}k` : count(bound)}{i === bounds.length - 1 ? '+' : ''}</span>
          </li>
        ))}
      </ol>
    </figure>
  );
}

function Pointer() {
  const at = hovered.value;
  const cell = at && cells.answer.value.value?.cells.find(({ geohash }) => geohash === at.geohash);
  if (!at || !cell) return null;
  return (
    <div class="pointer" style={{ transform: `translate(${Math.round(at.x)}px, ${Math.round(at.y)}px)` }} aria-hidden="true" data-testid="pointer">
      <span>
        <strong>{count(cell.count)}</strong> pickups
        <small>
          {placeOf(cell.geohash)} <code>{cell.geohash}</code>
        </small>
      </span>
    </div>
  );
}

/** Rows of the table: the largest cells. */
const ROWS = 100;

function Table() {
  const answer = cells.answer.value.value;
  if (!answer) return null;
  const rows = [...answer.cells].sort((a, b) => b.count - a.count || (a.geohash < b.geohash ? -1 : 1));
  const more = rows.length - ROWS;
  return (
    <details class="as-table map-table">
      <summary>
        Areas in view as a table ({count(rows.length)}
        {answer.truncated ? ', smaller ones left out' : ''})
      </summary>
      <div class="table-scroll">
        <table data-testid="cells-table">
          <thead>
            <tr>
              <th scope="col">Area</th>
              <th scope="col">Place</th>
              <th scope="col">Pickups</th>
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, ROWS).map((cell) => (
              <tr key={cell.geohash}>
                <th scope="row">
                  <button type="button" class="link" onClick={() => showArea(cell.geohash)}>
                    {cell.geohash}
                  </button>
                </th>
                <td>{placeOf(cell.geohash) ?? '–'}</td>
                <td>{count(cell.count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {more > 0 && <p class="hint">and {count(more)} smaller ones; zoom in to see them here</p>}
      </div>
    </details>
  );
}

function Overlay() {
  const answer = cells.answer.value;
  if (broken.value) return <p class="map-note">{broken.value}</p>;
  if (standing.value === 'unavailable') return <p class="map-note">Not available.</p>;
  if (standing.value === 'empty') {
    return (
      <div class="map-note" data-testid="map-empty">
        <strong>No results yet</strong>
        <span>Areas appear when the first window of event time closes.</span>
      </div>
    );
  }
  if (answer.failure) {
    return (
      <div class="map-trouble">
        <Trouble words={answer.failure} stale={answer.value !== null} />
      </div>
    );
  }
  if (range.value && answer.value && answer.value.cells.length === 0) {
    return <div class="map-note" data-testid="map-empty">No pickups in this range and part of the map.</div>;
  }
  return null;
}

export function MapPanel() {
  const holder = useMap();
  const loading = cells.answer.value.loading && (standing.value === 'loading' || standing.value === 'ready') && !broken.value;
  return (
    <section class="panel panel-map" aria-labelledby="map-title" data-testid="map-panel" id="map">
      <h2 id="map-title" class="map-title">
        Pickups by area
      </h2>
      <div class="map-frame" aria-busy={loading}>
        <div class="map" ref={holder} data-testid="map" data-precision={viewport.value?.precision} data-cells={cells.answer.value.value?.cells.length} />
        {loading && <p class="map-loading">Loading…</p>}
        <Overlay />
        <Legend />
        <Pointer />
        <CellCard />
      </div>
      <Table />
    </section>
  );
}
