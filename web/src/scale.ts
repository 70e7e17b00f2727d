// Classes of a sequential colour scale. Most areas have few pickups and few have most of them, so the classes widen with
// the cube of their number: fine where the many quiet areas are, and still several among the busy ones. Bounds are round.

/** Number of colours (`--scale-0` to `--scale-6`). */
export const COLOURS = 7;

const ROUND = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

function round(value: number): number {
  const decade = 10 ** Math.floor(Math.log10(value));
  const nearest = ROUND.reduce((a, b) => (Math.abs(b - value / decade) < Math.abs(a - value / decade) ? b : a));
  return Math.max(1, Math.round(nearest * decade));
}

/** The least count of each class in ascending order, at most one per colour; the first is 1. */
export function classes(max: number): number[] {
  if (!(max >= 1)) return [1];
  const bounds = new Set<number>();
  for (let i = 0; i < COLOURS; i++) bounds.add(round(Math.max(1, max * (i / COLOURS) ** 3)));
  return [...bounds].sort((a, b) => a - b);
}

/** The class of a count: the last one that begins at or below it. */
export function classOf(count: number, bounds: number[]): number {
  let found = 0;
  bounds.forEach((bound, i) => {
    if (bound <= count) found = i;
  });
  return found;
}

/** The colour of a class: classes spread over the whole scale also when there are few of them. */
export function colourOf(index: number, bounds: number[]): number {
  return bounds.length < 2 ? COLOURS >> 1 : Math.round((index * (COLOURS - 1)) / (bounds.length - 1));
}
