// Names for cells: the airport or borough that the middle of a cell is in.
import { signal } from '@preact/signals';
import type { FeatureCollection, MultiPolygon, Position } from 'geojson';
import { bounds, centre } from '../geohash';
import { AIRPORTS, boroughsUrl } from './basemap';

const boroughs = signal<FeatureCollection<MultiPolygon, { name: string }> | null>(null);
const known = new Map<string, string>();

/** Loads the boroughs; without them cells go by their geohash alone. */
export async function loadPlaces(): Promise<void> {
  try {
    const response = await fetch(boroughsUrl);
    if (response.ok) boroughs.value = await response.json();
  } catch (error) {
    console.warn('The boroughs could not be loaded; areas go without their names.', error);
  }
}

/** Whether a ring holds a point, by the number of its edges to the right of it. */
function inside(ring: Position[], x: number, y: number): boolean {
  let odd = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [xi = 0, yi = 0] = ring[i] ?? [];
    const [xj = 0, yj = 0] = ring[j] ?? [];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) odd = !odd;
  }
  return odd;
}

/** The name of the place that a cell is in; `null` when it has none that is known. */
export function placeOf(geohash: string): string | null {
  const layer = boroughs.value;
  const box = bounds(geohash);
  if (!layer || !box) return null;
  let name = known.get(geohash);
  if (name === undefined) {
    const [x, y] = centre(box);
    const airport = Object.entries(AIRPORTS).find(([, [w, s, e, n]]) => w <= x && x <= e && s <= y && y <= n);
    const borough = layer.features.find(({ geometry }) => geometry.coordinates.some(([ring]) => ring && inside(ring, x, y)));
    name = airport ? `${airport[0]} airport` : (borough?.properties.name ?? '');
    if (known.size > 10_000) known.clear();
    known.set(geohash, name);
  }
  return name || null;
}
