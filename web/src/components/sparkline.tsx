// The recent past of a rate in a small line. Decoration: the number beside it says the present.
import { HISTORY_TICKS } from '../live';

const WIDTH = 120;
const HEIGHT = 32;

/** The line grows to the right until this many ticks are known, and then moves to the left. */
const TICKS_MIN = 30;

function stepOf(series: number[]): number {
  return WIDTH / (Math.min(HISTORY_TICKS, Math.max(TICKS_MIN, series.length)) - 1);
}

function path(series: number[], max: number): string {
  const step = stepOf(series);
  const x = (i: number) => WIDTH - (series.length - 1 - i) * step;
  const y = (value: number) => HEIGHT - 1 - (value / max) * (HEIGHT - 3);
  return series.map((value, i) => `${i === 0 ? 'M' : 'L'}${x(i).toFixed(1)} ${y(value).toFixed(1)}`).join('');
}

export function Sparkline({ series, over }: { series: number[]; over?: number[] }) {
  const max = Math.max(1e-9, ...series, ...(over ?? []));
  const line = path(series, max);
  const begin = WIDTH - (series.length - 1) * stepOf(series);
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {series.length > 1 && (
        <>
          <path class="sparkline-area" d={`${line}L${WIDTH} ${HEIGHT}L${begin.toFixed(1)} ${HEIGHT}Z`} />
          <path class="sparkline-line" d={line} />
        </>
      )}
      {over && over.length > 1 && over.some((value) => value > 0) && <path class="sparkline-over" d={path(over, max)} />}
    </svg>
  );
}
