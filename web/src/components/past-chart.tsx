// Rows of numbers over the past: a chart, and above it what they are at the moment that is pointed at, else at the latest.
import type { ComponentChildren } from 'preact';
import type { AlignedData } from 'uplot';
import { useMemo, useState } from 'preact/hooks';
import { Chart } from './chart';

/** What is drawn of points. */
export interface Drawing<P> {
  id: string;
  title: string;
  rows: { name: string; colour: string; of: (point: P) => number | null }[];
  value: (value: number) => string;
}

interface Props<P> {
  /** Where it is found by tests, with the id of the drawing and the number of the row behind it. */
  id: string;
  drawing: Drawing<P>;
  points: P[];
  at: (point: P) => number;
  height: number;
  /** What stands before the rows; the title where nothing else does. */
  head?: (shown: P) => ComponentChildren;
}

export function PastChart<P>({ id, drawing, points, at, height, head }: Props<P>) {
  const [pointed, point] = useState<number | null>(null);
  const { title, rows, value } = drawing;
  const data = useMemo(() => [points.map((p) => at(p) / 1_000), ...rows.map((row) => points.map(row.of))] as AlignedData, [points, drawing]);
  const shown = pointed === null ? points.at(-1) : points[pointed];
  return (
    <div class="past">
      <ul class="chart-legend">
        <li>{head && shown ? head(shown) : title}</li>
        {rows.map((row, place) => {
          const number = shown && row.of(shown);
          return (
            <li key={row.name}>
              <span class="chart-key" aria-hidden="true" style={{ background: `var(${row.colour})` }} />
              <span>{row.name}</span>
              <strong data-testid={`${id}-${drawing.id}-${place}`}>{typeof number === 'number' ? value(number) : '–'}</strong>
            </li>
          );
        })}
      </ul>
      <Chart label={`${title} over time`} data={data} colours={rows.map((row) => row.colour)} kind="area" height={height} value={value} pointed={point} />
    </div>
  );
}
