// A line per airport: the average trip time by hour, weighted by trips.
import { useMemo, useState } from 'preact/hooks';
import type { AlignedData } from 'uplot';
import type { AirportLine } from '../api';
import { count, hour } from '../format';
import { summary } from '../results';
import { Chart } from './chart';
import { Panel } from './panel';

/** Most lines; more would not be told apart. */
const LINES_MAX = 4;

interface Aligned {
  names: string[];
  /** Ends of hours. */
  hours: number[];
  averages: (number | null)[][];
  trips: (number | null)[][];
}

const minutes = (value: number | null | undefined) => (value === null || value === undefined ? '–' : `${value.toFixed(1)} min`);

/** All lines over the same hours. */
function align(all: AirportLine[]): Aligned {
  const lines = all.slice(0, LINES_MAX);
  const hours = [...new Set(lines.flatMap((line) => line.points.map((point) => point.t)))].sort((a, b) => a - b);
  const byHour = lines.map((line) => new Map(line.points.map((point) => [point.t, point])));
  return {
    names: lines.map((line) => line.airport),
    hours,
    averages: byHour.map((points) => hours.map((t) => points.get(t)?.avg ?? null)),
    trips: byHour.map((points) => hours.map((t) => points.get(t)?.trips ?? null)),
  };
}

function Lines({ lines, at, point }: { lines: Aligned; at: number; point: (index: number | null) => void }) {
  // A point stands over the middle of its hour.
  const data = useMemo<AlignedData>(() => [lines.hours.map((t) => t / 1000 - 1800), ...lines.averages], [lines]);
  return (
    <>
      <ul class="chart-legend" data-testid="airports-legend">
        {lines.names.map((name, i) => (
          <li key={name}>
            <span class="swatch" style={{ background: `var(--series-${i})` }} />
            <span class="chart-name" title={name}>
              {name}
            </span>
            <strong>{minutes(lines.averages[i]?.[at])}</strong>
          </li>
        ))}
      </ul>
      <Chart
        label="Average trip time to each airport by hour, in minutes, weighted by trips. The table has the same numbers."
        data={data}
        colours={lines.names.map((_, i) => `--series-${i}`)}
        kind="lines"
        height={136}
        value={(value) => `${value}`}
        pointed={point}
      />
    </>
  );
}

function Table({ lines }: { lines: Aligned }) {
  return (
    <table data-testid="airports-table">
      <thead>
        <tr>
          <th scope="col">Hour</th>
          {lines.names.flatMap((name) => [
            <th scope="col" key={name}>
              {name}
            </th>,
            <th scope="col" key={`${name} trips`}>
              Trips
            </th>,
          ])}
        </tr>
      </thead>
      <tbody>
        {lines.hours.map((t, row) => (
          <tr key={t}>
            <th scope="row">{hour(t)}</th>
            {lines.names.flatMap((name, i) => [
              <td key={name}>{minutes(lines.averages[i]?.[row])}</td>,
              <td key={`${name} trips`}>{count(lines.trips[i]?.[row] ?? 0)}</td>,
            ])}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Airports() {
  const [pointed, setPointed] = useState<number | null>(null);
  const answer = summary.answer.value;
  const airports = answer.value?.airports;
  const lines = useMemo(() => align(airports ?? []), [airports]);
  const last = lines.hours.length - 1;
  const at = pointed !== null && pointed <= last ? pointed : last;
  return (
    <Panel
      id="airports"
      title="Trip time to the airports"
      hint={hour(lines.hours[at] ?? 0)}
      answer={answer}
      empty={(value) => value.airports.length === 0}
      table={() => <Table lines={lines} />}
    >
      {() => <Lines lines={lines} at={at} point={setPointed} />}
    </Panel>
  );
}
