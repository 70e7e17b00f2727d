// Geohash cells: their boxes, the precision that suits a zoom, and boxes of the map along the edges of cells.
import type { Bbox } from './api';

const ALPHABET = '0123456789bcdefghjkmnpqrstuvwxyz';

/** The box of a cell; `null` when the text is no geohash. */
export function bounds(geohash: string): Bbox | null {
  if (geohash.length === 0 || geohash.length > 12) return null;
  const box = { west: -180, south: -90, east: 180, north: 90 };
  let even = true;
  for (const character of geohash) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) return null;
    for (let bit = 16; bit > 0; bit >>= 1) {
      const upper = (value & bit) !== 0;
      if (even) {
        const middle = (box.west + box.east) / 2;
        if (upper) box.west = middle;
        else box.east = middle;
      } else {
        const middle = (box.south + box.north) / 2;
        if (upper) box.south = middle;
        else box.north = middle;
      }
      even = !even;
    }
  }
  return box;
}

export function centre(box: Bbox): [number, number] {
  return [(box.west + box.east) / 2, (box.south + box.north) / 2];
}

/** Width and height of the cells of a precision, in degrees. */
export function cellSize(precision: number): { width: number; height: number } {
  const bits = precision * 5;
  return { width: 360 / 2 ** Math.ceil(bits / 2), height: 180 / 2 ** Math.floor(bits / 2) };
}

/** The precision whose cells are about 10 to 130 pixels wide at a zoom of the map. */
export function precisionForZoom(zoom: number): number {
  if (zoom < 9.6) return 5;
  return zoom < 12.4 ? 6 : 7;
}

/**
 * The smallest box along the edges of cells that holds `box`, a hair less in the north and east: results are located at
 * the south-western corners of their cells, and those of the next cells are to stay outside.
 */
export function alongCells(box: Bbox, precision: number): Bbox {
  const { width, height } = cellSize(precision);
  const hair = 1e-6;
  return {
    west: Math.max(-180, Math.floor((box.west + 180) / width) * width - 180),
    south: Math.max(-90, Math.floor((box.south + 90) / height) * height - 90),
    east: Math.min(180, Math.ceil((box.east + 180) / width) * width - 180) - hair,
    north: Math.min(90, Math.ceil((box.north + 90) / height) * height - 90) - hair,
  };
}
