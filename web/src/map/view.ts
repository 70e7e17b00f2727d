// The map itself: it draws cells, and says where it looks and what is pointed at. The only file that speaks to MapLibre.
import { type GeoJSONSource, Map as MapLibre, Marker, NavigationControl, setWorkerUrl } from 'maplibre-gl';
import 'maplibre-gl/dist/maplibre-gl.css';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?url';
import type { Feature, FeatureCollection, Polygon } from 'geojson';
import type { Bbox, Cell } from '../api';
import { bounds, centre } from '../geohash';
import { classOf, colourOf } from '../scale';
import { NAMES, REACH, home, paints, style } from './basemap';

/** What the map tells. */
export interface Listener {
  moved(box: Bbox, zoom: number): void;
  /** The pointer is over a cell (`null`: over none), at these pixels of the map. */
  hovered(geohash: string | null, at: { x: number; y: number }): void;
  clicked(geohash: string | null): void;
}

/** The part of a cell's side that is left free around it, so that neighbours stay apart. */
const GAP = 0.03;

function square(geohash: string, gap = 0): Polygon | null {
  const box = bounds(geohash);
  if (!box) return null;
  const dx = (box.east - box.west) * gap;
  const dy = (box.north - box.south) * gap;
  const [w, s, e, n] = [box.west + dx, box.south + dy, box.east - dx, box.north - dy];
  return { type: 'Polygon', coordinates: [[[w, s], [e, s], [e, n], [w, n], [w, s]]] };
}

/** The cells as features; what is no geohash has no place on a map. */
function features(cells: Cell[], classes: number[]): FeatureCollection {
  const drawn: Feature[] = [];
  for (const { geohash, count } of cells) {
    const geometry = square(geohash, GAP);
    const colour = colourOf(classOf(count, classes), classes);
    if (geometry) drawn.push({ type: 'Feature', properties: { geohash, colour }, geometry });
  }
  return { type: 'FeatureCollection', features: drawn };
}

export class MapView {
  private readonly map: MapLibre;
  private readonly names: [HTMLElement, number][] = [];
  private ready = false;
  /** What is to be done once the style has loaded; of several under one name the last. */
  private readonly waiting = new Map<string, () => void>();

  constructor(container: HTMLElement, private readonly listener: Listener) {
    setWorkerUrl(new URL(workerUrl, location.href).href);
    this.map = new MapLibre({
      container,
      style: style(),
      ...home(container.clientWidth),
      minZoom: 8,
      maxZoom: 16,
      maxBounds: REACH,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      fadeDuration: 0,
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.addControl(new NavigationControl({ showCompass: false }), 'bottom-right');
    const canvas = this.map.getCanvas();
    canvas.setAttribute('aria-label', 'Map of pickups. Arrow keys move it, plus and minus zoom. The table below has the same numbers.');
    this.addNames();
    this.listen();
  }

  /** Draws these cells in these classes. */
  setCells(cells: Cell[], classes: number[]): void {
    this.draw('cells', features(cells, classes));
  }

  /** Draws a frame around one cell. */
  frame(which: 'hovered' | 'selected', geohash: string | null): void {
    const geometry = geohash ? square(geohash) : null;
    this.draw(which, { type: 'FeatureCollection', features: geometry ? [{ type: 'Feature', properties: {}, geometry }] : [] });
  }

  /** Paints everything in the present theme. */
  repaint(): void {
    this.whenReady('paint', () => {
      for (const [layer, paint] of Object.entries(paints())) {
        for (const [name, value] of Object.entries(paint)) this.map.setPaintProperty(layer, name as never, value as never);
      }
    });
  }

  /** Moves so that a cell is in the middle and well visible. */
  show(geohash: string): void {
    const box = bounds(geohash);
    if (!box) return;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const zoom = Math.max(this.map.getZoom(), [9, 9, 9, 9, 9, 10.5, 12, 13.5][geohash.length] ?? 13.5);
    const view = { center: centre(box), zoom };
    if (still) this.map.jumpTo(view);
    else this.map.flyTo({ ...view, duration: 900 });
  }

  remove(): void {
    this.map.remove();
  }

  private draw(source: string, data: FeatureCollection): void {
    this.whenReady(source, () => void this.map.getSource<GeoJSONSource>(source)?.setData(data));
  }

  private whenReady(name: string, act: () => void): void {
    if (this.ready) act();
    else this.waiting.set(name, act);
  }

  private listen(): void {
    this.map.once('load', () => {
      this.ready = true;
      for (const act of this.waiting.values()) act();
      this.waiting.clear();
    });
    const moved = () => {
      const b = this.map.getBounds();
      const zoom = this.map.getZoom();
      for (const [name, rank] of this.names) name.hidden = rank === 2 && zoom < 10.5;
      this.listener.moved({ west: b.getWest(), south: b.getSouth(), east: b.getEast(), north: b.getNorth() }, zoom);
    };
    this.map.on('moveend', moved);
    this.map.on('resize', moved);
    moved();
    const under = (point: { x: number; y: number }): string | null => {
      if (!this.ready) return null;
      const [found] = this.map.queryRenderedFeatures([point.x, point.y], { layers: ['cells'] });
      return (found?.properties['geohash'] as string | undefined) ?? null;
    };
    this.map.on('mousemove', (event) => {
      const geohash = under(event.point);
      this.map.getCanvas().style.cursor = geohash ? 'pointer' : '';
      this.listener.hovered(geohash, event.point);
    });
    this.map.on('mouseout', (event) => this.listener.hovered(null, event.point));
    this.map.on('click', (event) => this.listener.clicked(under(event.point)));
  }

  private addNames(): void {
    for (const [text, longitude, latitude, rank] of NAMES) {
      const element = document.createElement('span');
      element.className = `map-name map-name-${rank}`;
      element.textContent = text;
      element.setAttribute('aria-hidden', 'true');
      new Marker({ element }).setLngLat([longitude, latitude]).addTo(this.map);
      // A marker gives its element a role and a label of its own; this one is decoration.
      element.removeAttribute('aria-label');
      element.removeAttribute('role');
      element.removeAttribute('tabindex');
      this.names.push([element, rank]);
    }
  }
}
