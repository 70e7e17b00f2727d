// The past of an application: its log, what was done with it and its versions, and what it is set up with.
import { signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import type { ApplicationDetail, LogLine, Operation } from '../api';
import { orders } from '../api';
import { detail, lines, operations, refresh, trouble } from '../application-past';
import { zone } from '../clock';
import { controlOf, locked, run } from '../controls';
import { bytes, count, duration } from '../format';
import { Instant } from './instant';
import { Trouble } from './trouble';

const LEVELS = ['INFO', 'WARN', 'ERROR'] as const;
const MOODS = { INFO: 'calm', WARN: 'warn', ERROR: 'bad' } as const;
const STATUS_MOODS = { IN_PROGRESS: 'calm', SUCCESSFUL: 'good', FAILED: 'bad', CANCELLED: 'warn' } as const;

/** The least bad lines that are shown. */
const least = signal<(typeof LEVELS)[number]>('INFO');

function Line({ line }: { line: LogLine }) {
  return (
    <li data-testid="log-line">
      <Instant ms={line.at_ms} />
      <span class="pill" data-mood={MOODS[line.level] ?? 'calm'}>
        {line.level}
      </span>
      <span class="happening-words">{line.text}</span>
    </li>
  );
}

function Log() {
  const from = LEVELS.indexOf(least.value);
  const shown = lines.value?.filter((line) => LEVELS.indexOf(line.level) >= from).reverse();
  return (
    <section class="panel" aria-labelledby="log-title">
      <div class="panel-head">
        <h2 id="log-title">Log</h2>
        <p class="hint">the newest first, times in {zone()}</p>
        <label class="log-level">
          From{' '}
          <select value={least.value} onChange={(event) => (least.value = event.currentTarget.value as typeof least.value)} data-testid="log-level">
            {LEVELS.map((level) => (
              <option key={level}>{level}</option>
            ))}
          </select>
        </label>
      </div>
      {!shown && !trouble.value && <div class="skeleton" />}
      {shown?.length === 0 && <p class="panel-none">{from === 0 ? 'Nothing was told yet.' : 'Nothing as bad as that was told.'}</p>}
      <ol class="happenings log" tabIndex={0} aria-label="Lines of the log" data-testid="log">
        {shown?.map((line) => <Line key={line.number} line={line} />)}
      </ol>
    </section>
  );
}

/** Going back waits for a second click, which is for the version that was shown. */
function GoBack({ now }: { now: ApplicationDetail }) {
  const [asked, ask] = useState(false);
  const control = controlOf('application', now.name);
  const off = locked.value || control.value.pending || now.version < 2;
  const go = async () => {
    ask(false);
    await run(control, `${now.name} goes back to the version before.`, () => orders.rollBack(now.name));
    refresh();
  };
  return asked ? (
    <div class="confirm" role="alertdialog" aria-label={`Take version ${now.version} back?`} data-testid="rollback-confirm">
      <p>Take version {count(now.version)} back? It goes on with what the version before was set up with, and from its state.</p>
      <button type="button" class="button button-strong" autofocus disabled={off} onClick={() => void go()} data-testid="rollback-yes">
        Go back
      </button>
      <button type="button" class="button" onClick={() => ask(false)}>
        Cancel
      </button>
    </div>
  ) : (
    <button type="button" class="button" disabled={off} onClick={() => ask(true)} data-testid="rollback">
      Go back to the version before
    </button>
  );
}

function Done({ operation }: { operation: Operation }) {
  const { start_ms, end_ms, versions, failure } = operation;
  return (
    <tr>
      <td class="number">
        <Instant ms={start_ms} />
      </td>
      <th scope="row">
        {operation.kind}
      </th>
      <td>
        <span class="pill" data-mood={STATUS_MOODS[operation.status] ?? 'calm'}>
          {operation.status.toLowerCase().replace('_', ' ')}
        </span>
      </td>
      <td class="number">{end_ms === null ? '–' : duration(end_ms - start_ms)}</td>
      <td class="number">{versions === null ? '–' : `${count(versions[0])} → ${count(versions[1])}`}</td>
      <td class="key-name">{failure ?? ''}</td>
    </tr>
  );
}

function Operations() {
  const all = operations.value;
  const now = detail.value;
  return (
    <section class="panel" aria-labelledby="operations-title">
      <div class="panel-head">
        <h2 id="operations-title">Operations and versions</h2>
        {now && (
          <p class="hint" data-testid="version">
            version {count(now.version)}, since <Instant ms={now.updated_ms} />
          </p>
        )}
      </div>
      {now && <GoBack key={`${now.name} ${now.version}`} now={now} />}
      {all === null && !trouble.value && <div class="skeleton" />}
      {all?.length === 0 && <p class="panel-none">Nothing was done with it yet.</p>}
      {all !== null && all.length > 0 && (
        <div class="table-scroll shard-table" tabIndex={0} role="region" aria-label="Operations">
          <table data-testid="operations">
            <thead>
              <tr>
                <th scope="col">Began</th>
                <th scope="col">Operation</th>
                <th scope="col">Outcome</th>
                <th scope="col">Took</th>
                <th scope="col">Version</th>
                <th scope="col">Why not</th>
              </tr>
            </thead>
            <tbody>
              {all.map((operation) => (
                <Done key={operation.id} operation={operation} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function SetUp({ now }: { now: ApplicationDetail }) {
  const properties = Object.entries(now.properties).flatMap(([group, own]) => Object.entries(own).map(([name, value]) => ({ group, name, value })));
  return (
    <section class="panel" aria-labelledby="setup-title">
      <div class="panel-head">
        <h2 id="setup-title">Set up with</h2>
        <p class="hint">
          {now.checkpoint_interval_ms === null ? 'no checkpoints' : `a checkpoint every ${duration(now.checkpoint_interval_ms)}`}
          {now.rollback && ' · a version that does not come up is taken back'}
        </p>
      </div>
      {now.description && <p class="setup-words">{now.description}</p>}
      <details class="as-table">
        <summary data-testid="properties-open">Properties ({count(properties.length)})</summary>
        <div class="table-scroll shard-table" tabIndex={0} role="region" aria-label="Properties">
          <table data-testid="properties">
            <thead>
              <tr>
                <th scope="col">Group</th>
                <th scope="col">Property</th>
                <th scope="col">Value</th>
              </tr>
            </thead>
            <tbody>
              {properties.map(({ group, name, value }) => (
                <tr key={`${group} ${name}`}>
                  <td class="key-name">{group}</td>
                  <th scope="row" class="key-name">
                    {name}
                  </th>
                  <td class="key-name">{value}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
      {now.program ? (
        <p class="setup-words key-name" data-testid="program">
          A program of {bytes(now.program.bytes).join(' ')}
          {now.program.main_class && `, which runs ${now.program.main_class}`}
          {now.program.from && `, from ${now.program.from}`}. SHA-256 {now.program.sha256}
        </p>
      ) : (
        <details class="as-table">
          <summary data-testid="script-open">SQL script</summary>
          <pre class="script" tabIndex={0} data-testid="script">
            {now.script}
          </pre>
        </details>
      )}
    </section>
  );
}

export function ApplicationPast() {
  const now = detail.value;
  return (
    <>
      <Trouble id="past-trouble" words={trouble.value} stale={now !== null} />
      <Log />
      <Operations />
      {now && <SetUp now={now} />}
    </>
  );
}
