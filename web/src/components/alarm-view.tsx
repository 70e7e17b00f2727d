// The alarms: a list with those that ring first, and for the chosen one its numbers against the threshold and what became of it.
import { useMemo } from 'preact/hooks';
import { type AlarmLine, type AlarmState, type AlarmView as View, orders } from '../api';
import { alarms, choose, chosen, look, refresh, span, trouble, view } from '../alarms';
import { controlOf, locked, run } from '../controls';
import { count } from '../format';
import { Absent } from './absent';
import { Instant, Zone } from './instant';
import { type Drawing, PastChart } from './past-chart';
import { Spans } from './spans';
import type { Mood } from './stage';
import { Trouble } from './trouble';

const MOODS: Record<AlarmState, Mood> = { ok: 'good', alarm: 'bad', insufficient_data: 'calm' };
const WORDS: Record<AlarmState, string> = { ok: 'OK', alarm: 'alarm', insufficient_data: 'too little data' };
/** A number of whatever unit: whole where it is large. */
const number = (value: number): string => (Math.abs(value) >= 100 || Number.isInteger(value) ? count(value) : value.toPrecision(3));

function Line({ line }: { line: AlarmLine }) {
  return (
    <li>
      <button type="button" class="stream-line" aria-pressed={chosen.value === line.name} onClick={() => choose(line.name)} data-testid="alarm-line">
        <span class="stream-line-name">{line.name}</span>
        <span class="pill" data-mood={MOODS[line.state]}>
          {WORDS[line.state]}
        </span>
      </button>
    </li>
  );
}

function Head({ line }: { line: AlarmLine }) {
  const control = controlOf('alarm', line.name);
  const { pending, error } = control.value;
  const turn = async () => {
    const words = line.actions_enabled ? `Nothing is done any more when ${line.name} changes.` : `Actions of ${line.name} are on.`;
    await run(control, words, () => orders.setAlarmActions(line.name, !line.actions_enabled));
    refresh();
  };
  return (
    <section class="panel" aria-labelledby="alarm-title" data-testid="alarm-view">
      <div class="panel-head">
        <h2 id="alarm-title" class="stream-view-name">
          {line.name}
        </h2>
        <span class="pill" data-mood={MOODS[line.state]} data-testid="alarm-state">
          {WORDS[line.state]}
        </span>
        <p class="hint">
          since <Instant ms={line.since_ms} />
        </p>
      </div>
      <p class="words" data-testid="alarm-reason">
        {line.reason}
      </p>
      <p class="hint words">{line.watches}</p>
      {line.description && <p class="hint words">{line.description}</p>}
      {line.actions.length > 0 && (
        <ul class="hint words">
          {line.actions.map((action) => (
            <li key={action}>{action}</li>
          ))}
        </ul>
      )}
      <div class="controls">
        <button type="button" class="button" disabled={pending || locked.value} onClick={() => void turn()} data-testid="alarm-actions">
          {line.actions_enabled ? 'Turn actions off' : 'Turn actions on'}
        </button>
      </div>
      {error && (
        <p class="control-error" role="alert" data-testid="alarm-error">
          {error}
        </p>
      )}
    </section>
  );
}

type Point = View['points'][number];

/** Its numbers, and the threshold where there is one that does not move. */
function drawingOf(name: string, threshold: number | null): Drawing<Point> {
  const numbers = { name: 'value', colour: '--series-0', of: ([, value]: Point) => value };
  const rows = threshold === null ? [numbers] : [numbers, { name: 'threshold', colour: '--bad-fill', of: () => threshold }];
  return { id: 'numbers', title: `Numbers of ${name}`, rows, value: number };
}

function Past({ now }: { now: View }) {
  const { points, threshold, line } = now;
  const drawing = useMemo(() => drawingOf(line.name, threshold), [line.name, threshold]);
  return (
    <section class="panel" aria-labelledby="alarm-past-title">
      <div class="panel-head">
        <h2 id="alarm-past-title">Its numbers</h2>
        <Zone />
        <Spans id="alarm-span" value={span.value} look={look} />
      </div>
      {points.length === 0 ? (
        <p class="panel-none">No numbers came in this time.</p>
      ) : (
        <PastChart id="alarm" drawing={drawing} points={points} at={([at]) => at} height={180} head={([at]) => <Instant ms={at} />} />
      )}
    </section>
  );
}

function Changes({ now }: { now: View }) {
  return (
    <section class="panel" aria-labelledby="alarm-changes-title">
      <div class="panel-head">
        <h2 id="alarm-changes-title">What became of it</h2>
      </div>
      <ol class="happenings" data-testid="alarm-changes">
        {now.changes.map((change, at) => (
          <li key={at}>
            <Instant ms={change.at_ms} />
            <span class="happening-words words-wide">{change.text}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

export function AlarmView() {
  const all = alarms.value;
  const now = view.value;
  return (
    <main class="streams" id="content" tabIndex={-1} data-testid="alarms">
      <nav class="panel stream-list alarm-list" aria-label="Alarms">
        <h2>Alarms</h2>
        {all === null && !trouble.value && <div class="skeleton" />}
        {all?.length === 0 && <p class="panel-none">No alarm yet. Make one in the stack file, or with PutMetricAlarm.</p>}
        <ul>{all?.map((line) => <Line key={line.name} line={line} />)}</ul>
      </nav>
      <div class="stream-detail">
        <Absent what="alarm" names={alarms.value?.map((line) => line.name) ?? null} />
        <Trouble id="alarms-trouble" words={trouble.value} stale={now !== null} />
        {now && (
          <>
            <Head line={now.line} />
            <Past now={now} />
            <Changes now={now} />
          </>
        )}
      </div>
    </main>
  );
}
