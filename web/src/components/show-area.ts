// Showing an area: selects it, moves the map there, and brings the map into sight on a narrow screen.
import type { MapView } from '../map/view';
import { selected } from '../results';

let view: MapView | null = null;

/** The map that areas are shown on; `null` when it is gone. */
export function setMapView(next: MapView | null): void {
  view = next;
}

export function showArea(geohash: string): void {
  selected.value = geohash;
  view?.show(geohash);
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  document.getElementById('map')?.scrollIntoView({ behavior: still ? 'auto' : 'smooth', block: 'nearest' });
}
