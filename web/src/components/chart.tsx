// A chart over event time, drawn by uPlot in the colours of the theme. The only file that speaks to uPlot.
import { useEffect, useRef } from 'preact/hooks';
import uPlot, { type AlignedData, type Options, type Series } from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { axisNames } from '../clock';
import { day, time } from '../format';
import { colour, theme } from '../theme';

export interface ChartProps {
  label: string;
  /** Times in seconds, then one row of values per series. */
  data: AlignedData;
  /** Colour tokens, one per series. */
  colours: string[];
  kind: 'lines' | 'bars' | 'area';
  height: number;
  /** What a value on the axis is called. */
  value: (value: number) => string;
  /** The index of the time that is pointed at. */
  pointed: (index: number | null) => void;
}

/** Distances between the names on the axis of time, in seconds: whole hours and days. */
const STEPS = [1, 2, 3, 4, 6, 12, 24, 48, 96, 168, 336, 720, 2160, 8760].map((hours) => hours * 3600);

function ticks(_: uPlot, splits: number[]): string[] {
  return splits.map((s, i) => {
    const ms = s * 1000;
    const midnight = ms % 86_400_000 === 0;
    return midnight && (i > 0 || splits.length < 3) ? day(ms, {}) : time(ms);
  });
}

function series(props: ChartProps): Series[] {
  const few = props.kind === 'lines' && (props.data[0]?.length ?? 0) <= 48;
  const bars = uPlot.paths.bars?.({ size: [0.72, 40], radius: 0.15 });
  return props.colours.map((token) => ({
    stroke: colour(token),
    width: props.kind === 'bars' ? 0 : 2,
    ...(props.kind === 'bars' ? { fill: colour(token), ...(bars && { paths: bars }), points: { show: false } } : { points: { show: few, size: 5, fill: colour(token) } }),
  }));
}

function options(props: ChartProps, width: number): Options {
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: colour('--ink-3'), font, ticks: { show: false } };
  const grid = { stroke: colour('--line'), width: 1 };
  return {
    width,
    height: props.height,
    // Event time has no zone; what was measured is of the reader's own clock.
    tzDate: (s) => (props.kind === 'area' ? new Date(s * 1000) : uPlot.tzDate(new Date(s * 1000), 'Etc/UTC')),
    padding: [8, 20, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: props.kind !== 'bars' } },
    scales: {
      x: { time: true, range: (_, min, max) => (props.kind === 'area' ? [min, max + 1] : [min - 1800, max + 1800]) },
      y: { range: (_, min, max) => (props.kind !== 'lines' ? [0, Math.max(1, max * 1.08)] : [Math.max(0, Math.floor((min - 4) / 5) * 5), Math.ceil((max + 4) / 5) * 5]) },
    },
    axes: [
      { ...axis, grid: { show: false }, ...(props.kind === 'area' ? { values: (_: uPlot, splits: number[]) => axisNames(splits) } : { values: ticks, incrs: STEPS }), space: 64, size: 24, gap: 6 },
      { ...axis, grid, values: (_, splits) => splits.map(props.value), size: props.kind === 'area' ? 64 : 40, gap: 6, space: 34 },
    ],
    series: [{}, ...series(props)],
    hooks: { setCursor: [(plot) => props.pointed(plot.cursor.idx ?? null)] },
  };
}

export function Chart(props: ChartProps) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shape = `${props.colours.join()} ${theme.value} ${props.kind} ${(props.data[0]?.length ?? 0) <= 48}`;
  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const drawn = new uPlot(options(props, element.clientWidth), props.data, element);
    plot.current = drawn;
    const fit = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height: props.height }));
    fit.observe(element);
    return () => {
      fit.disconnect();
      drawn.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(props.data), [props.data]);
  return <div class="chart" ref={holder} role="img" aria-label={props.label} style={{ height: `${props.height}px` }} />;
}
