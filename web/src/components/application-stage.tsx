// The application: how fast it reads, how far it is behind, what it could not use, and why it failed.
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Application, orders } from '../api';
import { controlOf, locked, run } from '../controls';
import { count, day, duration, isTime, rate, time } from '../format';
import { past } from '../live';
import { watermark } from '../watermark';
import { Snapshots } from './snapshots';
import { Sparkline } from './sparkline';
import { Facts, type Mood, Stage, moodOfLag } from './stage';
import { Stepper } from './stepper';

/** Most subtasks of one operator. */
export const PARALLELISM_MAX = 256;

const MOODS: Record<Application['state'], Mood> = {
  ready: 'calm',
  starting: 'warn',
  running: 'good',
  updating: 'warn',
  stopping: 'warn',
  finished: 'calm',
  failed: 'bad',
};

export const moodOfState = (state: Application['state']): Mood => MOODS[state];

function BadRecords({ application, dialog }: { application: Application; dialog: { current: HTMLDialogElement | null } }) {
  return (
    <dialog class="dialog" ref={dialog} aria-labelledby="bad-title" data-testid="bad-dialog">
      <div class="dialog-head">
        <h2 id="bad-title">Records that could not be read</h2>
        <button type="button" class="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
      <p class="hint">
        {count(application.bad)} so far, kept in the stream {application.name}-dead-letters; the newest {application.bad_samples.length} are shown.
      </p>
      <ol class="bad-samples">
        {application.bad_samples.map((sample) => (
          <li key={sample.position}>
            <p class="bad-reason">{sample.reason}</p>
            <p class="hint">{sample.position}</p>
            <pre>{sample.text}</pre>
          </li>
        ))}
      </ol>
    </dialog>
  );
}

function LateRows({ application, dialog }: { application: Application; dialog: { current: HTMLDialogElement | null } }) {
  return (
    <dialog class="dialog" ref={dialog} aria-labelledby="late-title" data-testid="late-dialog">
      <div class="dialog-head">
        <h2 id="late-title">Rows that came too late</h2>
        <button type="button" class="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
      <p class="hint">
        {count(application.late)} so far, kept in the stream {application.name}-late; the newest {application.late_windows.length} windows are shown.
      </p>
      <div class="table-scroll shard-table">
        <table data-testid="late-windows">
          <thead>
            <tr>
              <th scope="col">Window that ended at</th>
              <th scope="col">Rows too late</th>
            </tr>
          </thead>
          <tbody>
            {application.late_windows.map((window) => (
              <tr key={window.end_ms}>
                <th scope="row">{isTime(window.end_ms) ? `${day(window.end_ms)} ${time(window.end_ms, true)}` : '–'}</th>
                <td class="number">{count(window.count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </dialog>
  );
}

/** How far each operator is in event time, and which shard it waits for. */
function Operators({ application, dialog }: { application: Application; dialog: { current: HTMLDialogElement | null } }) {
  return (
    <dialog class="dialog" ref={dialog} aria-labelledby="operators-title" data-testid="operators-dialog">
      <div class="dialog-head">
        <h2 id="operators-title">Watermark of each operator</h2>
        <button type="button" class="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
      <div class="table-scroll shard-table">
        <table data-testid="operators">
          <thead>
            <tr>
              <th scope="col">Operator</th>
              <th scope="col">Came in</th>
              <th scope="col">Went out</th>
              <th scope="col">Waits for</th>
            </tr>
          </thead>
          <tbody>
            {application.operators.map((operator) => (
              <tr key={operator.name}>
                <th scope="row">{operator.name}</th>
                <td class="number">{watermark(operator.input_watermark_ms)}</td>
                <td class="number">{watermark(operator.watermark_ms)}</td>
                <td class="key-name">{operator.hold ?? '–'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </dialog>
  );
}

export function ApplicationStage({ application }: { application: Application }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const lateDialog = useRef<HTMLDialogElement>(null);
  const operators = useRef<HTMLDialogElement>(null);
  const kept = useRef<HTMLDialogElement>(null);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (open) kept.current?.showModal();
    else kept.current?.close();
  }, [open]);
  const behind = application.millis_behind_latest;
  const mood = application.state === 'running' ? (moodOfLag(behind) ?? 'good') : moodOfState(application.state);
  const { bad, late, restarts, parallelism, kpus } = application;
  const control = controlOf('strip-application', application.name);
  const { pending, error } = control.value;
  const set = (wanted: number) => run(control, `The application runs with parallelism ${wanted}.`, () => orders.setParallelism(wanted, application.name));
  return (
    <Stage
      id="application"
      title="Application"
      name={application.name}
      state={application.state}
      mood={mood}
      value={rate(application.records_per_s)}
      unit="records/s"
      spark={<Sparkline series={past.value.application} />}
    >
      <Facts
        facts={[
          {
            id: 'application-watermark',
            label: 'Watermark',
            value: watermark(application.watermark_ms),
            onClick: application.operators.length > 0 ? () => operators.current?.showModal() : undefined,
          },
          { id: 'application-behind', label: 'Behind latest', value: behind === null ? '–' : duration(behind), mood: moodOfLag(behind) },
          {
            id: 'application-late',
            label: 'Late',
            value: count(late),
            mood: late > 0 ? 'warn' : undefined,
            onClick: application.late_windows.length > 0 ? () => lateDialog.current?.showModal() : undefined,
          },
          {
            id: 'application-bad',
            label: 'Bad',
            value: count(bad),
            mood: bad > 0 ? 'warn' : undefined,
            onClick: application.bad_samples.length > 0 ? () => dialog.current?.showModal() : undefined,
          },
          { id: 'application-parallelism', label: 'Parallelism', value: count(parallelism), unit: `· ${kpus} KPU${kpus === 1 ? '' : 's'}` },
          ...(restarts > 0 ? [{ id: 'application-restarts', label: 'Restarts', value: count(restarts), mood: 'warn' as const }] : []),
        ]}
      />
      {application.watermark_hold !== null && application.state === 'running' && (
        <p class="hint" data-testid="watermark-hold">
          The watermark waits for {application.watermark_hold}.
        </p>
      )}
      <div class="controls">
        <Stepper
          id="parallelism"
          label="Parallelism"
          value={parallelism}
          min={1}
          max={PARALLELISM_MAX}
          pending={pending || application.state === 'updating'}
          disabled={locked.value || !['running', 'updating'].includes(application.state)}
          set={set}
        />
        <button type="button" class="button" onClick={() => setOpen(true)} data-testid="snapshots-open">
          Snapshots
        </button>
      </div>
      {error && (
        <p class="control-error" role="alert" data-testid="parallelism-error">
          {error}
        </p>
      )}
      {application.last_error && (
        <p class="stage-message" data-mood="bad" data-testid="application-error" title={application.last_error}>
          {application.last_error}
        </p>
      )}
      <BadRecords application={application} dialog={dialog} />
      <LateRows application={application} dialog={lateDialog} />
      <Operators application={application} dialog={operators} />
      <dialog class="dialog" ref={kept} aria-label="Snapshots" onClose={() => setOpen(false)} data-testid="snapshots-dialog">
        {open && <Snapshots application={application.name} parallelism={parallelism} running={application.state === 'running'} close={() => setOpen(false)} />}
      </dialog>
    </Stage>
  );
}
