// The applications: a list, and for the chosen one its operators, its state and checkpoints, its snapshots, and its controls.
import { useState } from 'preact/hooks';
import { type ApplicationLine, type ApplicationView as View, type OperatorUse, orders } from '../api';
import { applications, choose, chosen, trouble, view } from '../applications';
import { controlOf, locked, run } from '../controls';
import { bytes, count, duration, percent, rate } from '../format';
import { watermark } from '../watermark';
import { Absent } from './absent';
import { PARALLELISM_MAX, moodOfState } from './application-stage';
import { ApplicationPast } from './application-past';
import { Move } from './move';
import { NewApplication } from './new-application';
import { OperatorGraph, isHeldUp, moodOfBusy } from './operator-graph';
import { Snapshots } from './snapshots';
import { Facts, moodOfLag } from './stage';
import { Stepper } from './stepper';
import { Trouble } from './trouble';

const size = (n: number): string => bytes(n).join(' ');

function Line({ line }: { line: ApplicationLine }) {
  return (
    <li>
      <button type="button" class="stream-line" aria-pressed={chosen.value === line.name} onClick={() => choose(line.name)} data-testid="application-line">
        <span class="stream-line-name">{line.name}</span>
        <span class="hint">
          {line.state} · parallelism {count(line.parallelism)} · {count(line.kpus)} {line.kpus === 1 ? 'KPU' : 'KPUs'}
        </span>
      </button>
    </li>
  );
}

/** A stop waits for a second click. */
function Start({ line, off }: { line: ApplicationLine; off: boolean }) {
  const [stopping, setStopping] = useState(false);
  const control = controlOf('application', line.name);
  const start = () => void run(control, `${line.name} is being started.`, () => orders.startApplication(line.name));
  const stop = () => {
    setStopping(false);
    void run(control, `${line.name} is stopped, with a snapshot.`, () => orders.stopApplication(line.name));
  };
  return stopping ? (
    <div class="confirm" role="alertdialog" aria-label={`Stop ${line.name}?`} data-testid="stop-confirm">
      <p>Stop {line.name}? What it has come to is kept as a snapshot first.</p>
      <button type="button" class="button button-strong" autofocus disabled={off} onClick={stop} data-testid="stop-yes">
        Stop
      </button>
      <button type="button" class="button" onClick={() => setStopping(false)}>
        Cancel
      </button>
    </div>
  ) : (
    <div class="stepper-row">
      <button type="button" class="button" disabled={off || !['ready', 'finished', 'failed'].includes(line.state)} onClick={start} data-testid="application-start">
        Start
      </button>
      <button type="button" class="button" disabled={off || !['running', 'starting'].includes(line.state)} onClick={() => setStopping(true)} data-testid="application-stop">
        Stop
      </button>
    </div>
  );
}

function Controls({ line, runner }: { line: ApplicationLine; runner: string }) {
  const control = controlOf('application', line.name);
  const { pending } = control.value;
  const off = locked.value || pending;
  const set = (wanted: number) => run(control, `${line.name} runs with parallelism ${wanted}.`, () => orders.setParallelism(wanted, line.name));
  return (
    <div class="controls">
      <Stepper id="view-parallelism" label="Parallelism" value={line.parallelism} min={1} max={PARALLELISM_MAX} pending={pending || line.state === 'updating'} disabled={off || !['running', 'updating'].includes(line.state)} set={set} />
      <Start line={line} off={off} />
      <Move line={line} runner={runner} />
    </div>
  );
}

/** An application that runs elsewhere says where. */
function RunsOn({ runner, page }: { runner: string; page: string | null }) {
  if (runner === 'embedded') return null;
  return (
    <p class="hint" data-testid="application-runner">
      Runs on {runner === 'flink' ? 'an Apache Flink cluster' : runner}.{' '}
      {page && (
        <a href={page} target="_blank" rel="noreferrer" data-testid="application-runner-page">
          Its page there
        </a>
      )}
    </p>
  );
}

function Head({ now }: { now: View }) {
  const { line } = now;
  const behind = now.millis_behind_latest;
  const { error } = controlOf('application', line.name).value;
  return (
    <section class="panel" aria-labelledby="application-view-title" data-testid="application-view">
      <div class="panel-head">
        <h2 id="application-view-title" class="stream-view-name" data-testid="application-view-title">
          {line.name}
        </h2>
        <span class="pill" data-mood={moodOfState(line.state)} data-testid="application-view-state">
          {line.state}
        </span>
      </div>
      <RunsOn runner={now.runner} page={now.page} />
      <Facts
        facts={[
          { id: 'view-records-in', label: 'Records in', value: rate(now.records_in_per_s), unit: '/s' },
          { id: 'view-records-out', label: 'Results out', value: rate(now.records_out_per_s), unit: '/s' },
          { id: 'view-behind', label: 'Behind latest', value: behind === null ? '–' : duration(behind), mood: moodOfLag(behind) },
          { id: 'view-watermark', label: 'Watermark', value: watermark(now.watermark_ms) },
          { id: 'view-kpus', label: 'KPUs', value: count(line.kpus), unit: `· ${now.parallelism_per_kpu} subtask${now.parallelism_per_kpu === 1 ? '' : 's'} each` },
          { id: 'view-pause', label: 'Last rescale', value: now.rescale_pause_ms === null ? '–' : duration(now.rescale_pause_ms) },
          { id: 'view-restarts', label: 'Restarts', value: count(line.restarts), mood: line.restarts > 0 ? 'warn' : undefined },
        ]}
      />
      {/* What was typed or asked for one application is not for another that takes its place. */}
      <Controls key={line.name} line={line} runner={now.runner} />
      {error && (
        <p class="control-error" role="alert" data-testid="application-view-error">
          {error}
        </p>
      )}
      {line.last_error && (
        <p class="stage-message" data-mood="bad" data-testid="application-view-failure">
          {line.last_error}
        </p>
      )}
    </section>
  );
}

/** How a source reads, or a sink writes. */
function ends({ behind_ms, read_bytes_per_s, write_ms, refused_per_s }: OperatorUse): string {
  const told = [
    read_bytes_per_s !== null && `${size(read_bytes_per_s)}/s`,
    behind_ms !== null && `${duration(behind_ms)} behind`,
    write_ms !== null && `${duration(write_ms)} for 1,000 rows`,
    refused_per_s !== null && refused_per_s > 0 && `${rate(refused_per_s)}/s refused`,
  ].filter((words) => words !== false);
  return told.join(', ') || '–';
}

function Row({ operator }: { operator: OperatorUse }) {
  return (
    <tr>
      <th scope="row" class="key-name">
        {operator.name}
      </th>
      <td class="number">{rate(operator.records_in_per_s)}</td>
      <td class="number">{rate(operator.records_out_per_s)}</td>
      <td class="number" data-mood={moodOfBusy(operator)}>
        {percent(operator.busy)} <small>(most {percent(operator.busy_most)})</small>
      </td>
      <td class="number" data-mood={isHeldUp(operator) ? 'warn' : undefined}>
        {percent(operator.backpressured)}
      </td>
      <td class="number" data-mood={(operator.refused_per_s ?? 0) > 0 ? 'bad' : undefined}>
        {ends(operator)}
      </td>
      <td class="number">{watermark(operator.watermark_ms)}</td>
      <td class="key-name">{operator.hold ?? '–'}</td>
    </tr>
  );
}

function Operators({ operators }: { operators: OperatorUse[] }) {
  return (
    <section class="panel" aria-labelledby="graph-title">
      <div class="panel-head">
        <h2 id="graph-title">Operators</h2>
        <p class="hint">rows in → out, time spent computing, and in stripes waiting for those to the right</p>
      </div>
      {operators.length === 0 ? (
        <p class="panel-none">Nothing runs.</p>
      ) : (
        <>
          <OperatorGraph operators={operators} />
          <div class="table-scroll shard-table" tabIndex={0} role="region" aria-label="Figures of operators">
            <table data-testid="operator-use">
              <thead>
                <tr>
                  <th scope="col">Operator</th>
                  <th scope="col">In/s</th>
                  <th scope="col">Out/s</th>
                  <th scope="col">Busy</th>
                  <th scope="col">Held up</th>
                  <th scope="col">Reads, writes</th>
                  <th scope="col">Watermark</th>
                  <th scope="col">Waits for</th>
                </tr>
              </thead>
              <tbody>
                {operators.map((operator) => (
                  <Row key={operator.name} operator={operator} />
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </section>
  );
}

function State({ now }: { now: View }) {
  const { checkpoints } = now;
  const full = now.state_budget_bytes === null ? null : now.state_bytes / now.state_budget_bytes;
  return (
    <section class="panel" aria-labelledby="state-title">
      <div class="panel-head">
        <h2 id="state-title">State and checkpoints</h2>
      </div>
      <Facts
        facts={[
          { id: 'view-state', label: 'In memory', value: size(now.state_bytes), unit: full === null ? undefined : `· ${percent(full)} of the budget`, mood: full !== null && full > 0.9 ? 'warn' : undefined },
          { id: 'view-spilled', label: 'On disk', value: size(now.spilled_bytes), mood: now.spilled_bytes > 0 ? 'warn' : undefined },
          { id: 'view-checkpoints', label: 'Checkpoints', value: count(checkpoints.completed) },
          { id: 'view-failed-checkpoints', label: 'Failed', value: count(checkpoints.failed), mood: checkpoints.failed > 0 ? 'bad' : undefined },
          { id: 'view-checkpoint-duration', label: 'The last took', value: checkpoints.completed > 0 ? duration(checkpoints.last_duration_ms) : '–' },
          { id: 'view-checkpoint-size', label: 'Its size', value: checkpoints.completed > 0 ? size(checkpoints.last_size_bytes) : '–' },
        ]}
      />
    </section>
  );
}

export function ApplicationView() {
  const all = applications.value;
  const now = view.value;
  return (
    <main class="streams" id="content" tabIndex={-1} data-testid="applications">
      <nav class="panel stream-list" aria-label="Applications">
        <h2>Applications</h2>
        {all === null && <div class="skeleton" />}
        {all?.length === 0 && <p class="panel-none">No application yet. Make one with hailstream app create.</p>}
        <ul>{all?.map((line) => <Line key={line.name} line={line} />)}</ul>
        <NewApplication />
      </nav>
      <div class="stream-detail">
        <Absent what="application" names={applications.value?.map((line) => line.name) ?? null} />
        <Trouble id="applications-trouble" words={trouble.value} stale={now !== null} />
        {now && (
          <>
            <Head now={now} />
            <Operators operators={now.operators} />
            <State now={now} />
            <section class="panel" aria-label="Snapshots">
              <Snapshots application={now.line.name} parallelism={now.line.parallelism} running={now.line.state === 'running'} />
            </section>
            <ApplicationPast />
          </>
        )}
      </div>
    </main>
  );
}
