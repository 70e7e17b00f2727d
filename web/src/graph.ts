// Where the boxes of a graph of operators stand: each to the right of all whose rows it reads.

export interface Box {
  x: number;
  y: number;
}

export interface Layout {
  boxes: Box[];
  width: number;
  height: number;
}

export const BOX = { width: 220, height: 104 };
const GAP = { x: 64, y: 20 };

/** `inputs[i]` are the places of those whose rows operator `i` reads; all of them stand before it. */
export function layout(inputs: number[][]): Layout {
  const columns: number[] = [];
  for (const [at, from] of inputs.entries()) columns[at] = Math.max(-1, ...from.filter((input) => input < at).map((input) => columns[input] ?? -1)) + 1;
  const heights = new Map<number, number>();
  for (const column of columns) heights.set(column, (heights.get(column) ?? 0) + 1);
  const rows = Math.max(1, ...heights.values());
  const taken = new Map<number, number>();
  const boxes = columns.map((column) => {
    const row = taken.get(column) ?? 0;
    taken.set(column, row + 1);
    // A column with fewer boxes stands in the middle.
    const first = (rows - (heights.get(column) ?? 1)) / 2;
    return { x: column * (BOX.width + GAP.x), y: (first + row) * (BOX.height + GAP.y) };
  });
  const last = Math.max(0, ...columns);
  return { boxes, width: last * (BOX.width + GAP.x) + BOX.width, height: rows * (BOX.height + GAP.y) - GAP.y };
}

/** The line from one box to another, as an SVG path. */
export function line(from: Box, to: Box): string {
  const [x1, y1, x2, y2] = [from.x + BOX.width, from.y + BOX.height / 2, to.x, to.y + BOX.height / 2];
  const bend = Math.max(24, (x2 - x1) / 2);
  return `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2 - 7},${y2}`;
}
