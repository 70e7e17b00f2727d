// The offline basemap: water, land, boroughs, the airports' boxes, and the layers that cells are drawn on.
import type { StyleSpecification } from 'maplibre-gl';
import type { FeatureCollection, Polygon } from 'geojson';
import boroughsUrl from '../../geo/boroughs.geojson?url';
import landUrl from '../../geo/land.geojson?url';
import { COLOURS } from '../scale';
import { colour } from '../theme';

export { boroughsUrl };

/** Where the map begins; a narrow one further out, so that Manhattan and both airports are on it. */
export function home(width: number): { center: [number, number]; zoom: number } {
  return { center: [-73.898, 40.745], zoom: width < 560 ? 10 : 11 };
}
/** How far the layers reach: beyond it there is nothing to see. */
export const REACH: [number, number, number, number] = [-74.75, 40.35, -73.35, 41.15];

/** Boxes of the airports, as the application draws them: west, south, east, north. */
export const AIRPORTS: Record<string, [number, number, number, number]> = {
  JFK: [-73.8, 40.632, -73.761, 40.654],
  LGA: [-73.881, 40.766, -73.859, 40.778],
};

/** Names on the map, drawn as HTML: text, longitude, latitude, rank (1 shows at any zoom, 2 from zoom 10.5 on). */
export const NAMES: [string, number, number, 1 | 2][] = [
  ['Manhattan', -73.9655, 40.7825, 1],
  ['Brooklyn', -73.9496, 40.646, 1],
  ['Queens', -73.8185, 40.716, 1],
  ['The Bronx', -73.865, 40.851, 1],
  ['Staten Island', -74.148, 40.58, 1],
  ['New Jersey', -74.115, 40.792, 2],
  ['JFK', -73.7805, 40.6255, 2],
  ['LGA', -73.87, 40.783, 2],
];

const EMPTY: FeatureCollection = { type: 'FeatureCollection', features: [] };

function airportBoxes(): FeatureCollection<Polygon> {
  const features = Object.entries(AIRPORTS).map(([code, [w, s, e, n]]) => ({
    type: 'Feature' as const,
    properties: { code },
    geometry: { type: 'Polygon' as const, coordinates: [[[w, s], [e, s], [e, n], [w, n], [w, s]]] },
  }));
  return { type: 'FeatureCollection', features };
}

/** The colours of cells in order of their classes. */
export function scaleColours(): string[] {
  return Array.from({ length: COLOURS }, (_, i) => colour(`--scale-${i}`));
}

/** The paint of each layer in the present theme. */
export function paints(): Record<string, Record<string, unknown>> {
  return {
    water: { 'background-color': colour('--map-water') },
    land: { 'fill-color': colour('--map-land') },
    boroughs: { 'fill-color': colour('--map-borough') },
    cells: { 'fill-color': ['match', ['get', 'colour'], ...scaleColours().flatMap((value, i) => [i, value]), colour('--scale-0')], 'fill-opacity': 0.86 },
    shores: { 'line-color': colour('--map-shore'), 'line-width': ['interpolate', ['linear'], ['zoom'], 9, 0.5, 14, 1.2] },
    airports: { 'line-color': colour('--ink-2'), 'line-width': 1.2, 'line-dasharray': [3, 2] },
    hovered: { 'line-color': colour('--ink'), 'line-width': 1.5 },
    selected: { 'line-color': colour('--ink'), 'line-width': 3 },
  };
}

/** The whole style. Nothing in it is fetched from another place. */
export function style(): StyleSpecification {
  const paint = paints();
  const layer = (id: string, type: string, source?: string) => ({ id, type, ...(source && { source }), paint: paint[id] });
  const absolute = (url: string) => new URL(url, location.href).href;
  return {
    version: 8,
    sources: {
      land: { type: 'geojson', data: absolute(landUrl) },
      boroughs: { type: 'geojson', data: absolute(boroughsUrl) },
      airports: { type: 'geojson', data: airportBoxes() },
      cells: { type: 'geojson', data: EMPTY, tolerance: 0, buffer: 8 },
      hovered: { type: 'geojson', data: EMPTY, tolerance: 0 },
      selected: { type: 'geojson', data: EMPTY, tolerance: 0 },
    },
    layers: [
      layer('water', 'background'),
      layer('land', 'fill', 'land'),
      layer('boroughs', 'fill', 'boroughs'),
      layer('cells', 'fill', 'cells'),
      layer('shores', 'line', 'boroughs'),
      layer('airports', 'line', 'airports'),
      layer('hovered', 'line', 'hovered'),
      layer('selected', 'line', 'selected'),
    ] as StyleSpecification['layers'],
  };
}
