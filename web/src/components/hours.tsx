// Pickups by hour: the rhythm of the chosen range.
import { useMemo, useState } from 'preact/hooks';
import type { AlignedData } from 'uplot';
import type { HourCount } from '../api';
import { count, hour } from '../format';
import { summary } from '../results';
import { Chart } from './chart';
import { Panel } from './panel';

const axis = new Intl.NumberFormat('en-US', { notation: 'compact' });

function Bars({ hours, point }: { hours: HourCount[]; point: (index: number | null) => void }) {
  // A bar stands over the middle of its hour.
  const data = useMemo<AlignedData>(() => [hours.map(({ t }) => t / 1000 - 1800), hours.map((one) => one.count)], [hours]);
  return (
    <Chart
      label="Pickups by hour. The table has the same numbers."
      data={data}
      colours={['--accent']}
      kind="bars"
      height={88}
      value={(value) => axis.format(value)}
      pointed={point}
    />
  );
}

function Table({ hours }: { hours: HourCount[] }) {
  return (
    <table data-testid="hours-table">
      <thead>
        <tr>
          <th scope="col">Hour</th>
          <th scope="col">Pickups</th>
        </tr>
      </thead>
      <tbody>
        {hours.map((one) => (
          <tr key={one.t}>
            <th scope="row">{hour(one.t)}</th>
            <td>{count(one.count)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Hours() {
  const [pointed, setPointed] = useState<number | null>(null);
  const answer = summary.answer.value;
  const hours = answer.value?.hours ?? [];
  const at = hours[pointed ?? hours.length - 1] ?? hours[hours.length - 1];
  const hint = at && (
    <>
      <strong>{count(at.count)}</strong> {hour(at.t)}
    </>
  );
  return (
    <Panel id="hours" title="Pickups by hour" hint={hint} answer={answer} empty={(value) => value.hours.length === 0} table={() => <Table hours={hours} />}>
      {(value) => <Bars hours={value.hours} point={setPointed} />}
    </Panel>
  );
}
