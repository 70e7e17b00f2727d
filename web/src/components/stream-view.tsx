// The streams: a list, and for the chosen one what its shards are used for, their lineage, its past, and its controls.
import { useState } from 'preact/hooks';
import { type HistoryPoint, type ShardUse, type StreamLine, type StreamView as View, orders } from '../api';
import { controlOf, locked, run } from '../controls';
import { bytes, count, duration, percent, rate } from '../format';
import { tick } from '../live';
import { may } from '../session';
import { chosen, choose, history, look, span, streams, trouble, view } from '../streams';
import { Absent } from './absent';
import { Zone } from './instant';
import { Lineage } from './lineage';
import { type Drawing, PastChart } from './past-chart';
import { ShardKeys, askKeys } from './shard-keys';
import { Spans } from './spans';
import { Facts, type Mood } from './stage';
import { Stepper } from './stepper';
import { Trouble } from './trouble';

const SHARDS_MAX = 10_000;
/** Most shards with bars of their own; with more of them the fullest have some. */
const ROWS_MAX = 64;
/** How far back the past of a stream is kept. */
const SPAN_S_MAX = 86_400;

const size = (perSecond: number): string => `${bytes(perSecond).join(' ')}/s`;
/** How far readers are behind; a dash where nobody reads. */
const age = (ms: number | null): string => (ms === null ? '–' : duration(ms));
const fill = (shard: ShardUse): number => Math.max(shard.records_use, shard.bytes_use);

function moodOf(share: number, throttled: number): Mood {
  if (throttled > 0) return 'bad';
  return share >= 0.8 ? 'warn' : 'good';
}

function Line({ line }: { line: StreamLine }) {
  const current = chosen.value === line.name;
  return (
    <li>
      <button type="button" class="stream-line" aria-pressed={current} onClick={() => choose(line.name)} data-testid="stream-line">
        <span class="stream-line-name">{line.name}</span>
        <span class="hint">
          {count(line.open_shards)} {line.open_shards === 1 ? 'shard' : 'shards'} · {rate(line.records_per_s)} records/s
        </span>
      </button>
    </li>
  );
}

function Use({ label, share, words, throttled, limited }: { label: string; share: number; words: string; throttled: number; limited: boolean }) {
  return (
    <div class="use" data-mood={limited ? moodOf(share, throttled) : 'calm'} title={`${label}: ${words}`}>
      <span class="use-track" aria-hidden="true">
        <span class="use-fill" style={{ width: `${Math.min(1, share) * 100}%` }} />
      </span>
      <span class="use-words">
        {words}
        {limited && <small> {percent(share)}</small>}
      </span>
    </div>
  );
}

function ShardRow({ stream, shard, limited, off, act }: { stream: string; shard: ShardUse; limited: boolean; off: boolean; act: (action: Action) => void }) {
  const records = shard.records_use >= shard.bytes_use;
  return (
    <tr>
      <th scope="row">{shard.number}</th>
      <td>
        <Use label="Records written" share={shard.records_use} words={`${rate(shard.records_per_s)}/s`} throttled={records ? shard.throttled_per_s : 0} limited={limited} />
      </td>
      <td>
        <Use label="Bytes written" share={shard.bytes_use} words={size(shard.bytes_per_s)} throttled={records ? 0 : shard.throttled_per_s} limited={limited} />
      </td>
      <td>
        <Use label="Bytes read" share={shard.read_use} words={size(shard.read_bytes_per_s)} throttled={shard.throttled_reads_per_s} limited={limited} />
      </td>
      <td class="number">{rate(shard.throttled_per_s + shard.throttled_reads_per_s)}</td>
      <td class="number" data-testid="read-age">
        {age(shard.read_age_ms)}
      </td>
      <td class="shard-actions">
        <button type="button" class="link" disabled={!may('read')} onClick={() => void askKeys(stream, shard.number)} aria-label={`Heaviest keys of shard ${shard.number}`}>
          Keys
        </button>
        <button type="button" class="link" disabled={off} onClick={() => act({ kind: 'split', shard: shard.number })} aria-label={`Split shard ${shard.number}`}>
          Split
        </button>
        <button type="button" class="link" disabled={off} onClick={() => act({ kind: 'merge', shard: shard.number })} aria-label={`Merge shard ${shard.number} with the next one`}>
          Merge
        </button>
      </td>
    </tr>
  );
}

interface Action {
  kind: 'split' | 'merge';
  shard: number;
  /** The hash key to split at; in the middle where none is given. */
  at?: string;
}

/** A change waits for a second click. */
function Confirm({ stream, action, last, close }: { stream: string; action: Action; last: boolean; close: () => void }) {
  const { kind, shard, at } = action;
  const where = at === undefined ? 'into two halves' : `at the hash key ${at}`;
  const what = kind === 'split' ? `Split shard ${shard} ${where}?` : `Merge shard ${shard} with the one behind it in the order of keys?`;
  const go = () => {
    close();
    const order = () => (kind === 'split' ? orders.splitShard(stream, shard, at) : orders.mergeShard(stream, shard));
    void run(controlOf('stream', stream), kind === 'split' ? `Shard ${shard} is being split.` : `Shard ${shard} is being merged.`, order);
  };
  return (
    <div class="confirm" role="alertdialog" aria-label={what} data-testid="confirm">
      <p>
        {what} {kind === 'merge' && last && <strong>It is the last one: nothing is behind it.</strong>}
      </p>
      <button type="button" class="button button-strong" autofocus onClick={go} disabled={kind === 'merge' && last} data-testid="confirm-yes">
        {kind === 'split' ? 'Split' : 'Merge'}
      </button>
      <button type="button" class="button" onClick={close}>
        Cancel
      </button>
    </div>
  );
}

function Shards({ now, asked, ask }: { now: View; asked: Action | null; ask: (action: Action | null) => void }) {
  const { shards, line, limited } = now;
  const shown = shards.length <= ROWS_MAX ? shards : [...shards].sort((a, b) => fill(b) - fill(a)).slice(0, ROWS_MAX);
  const off = locked.value || line.status !== 'active' || controlOf('stream', line.name).value.pending;
  const label = shown.length < line.open_shards ? `The ${shown.length} fullest of ${count(line.open_shards)} shards` : 'In the order of their keys';
  return (
    <section class="panel" aria-labelledby="shard-use-title">
      <div class="panel-head">
        <h2 id="shard-use-title">Shards</h2>
        <p class="hint">{limited ? `${label}; bars are shares of the limits` : `${label}; no limits`}</p>
      </div>
      {asked && <Confirm stream={line.name} action={asked} last={shards.at(-1)?.number === asked.shard} close={() => ask(null)} />}
      <div class="table-scroll shard-table" tabIndex={0} role="region" aria-label="Use of shards">
        <table data-testid="shard-use">
          <thead>
            <tr>
              <th scope="col">Shard</th>
              <th scope="col">Records in</th>
              <th scope="col">Bytes in</th>
              <th scope="col">Bytes out</th>
              <th scope="col">Throttled/s</th>
              <th scope="col" title="The age of the oldest record that a reader left to be read in the last second">
                Reader behind
              </th>
              <th scope="col">
                <span class="visually-hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((shard) => (
              <ShardRow key={shard.number} stream={line.name} shard={shard} limited={limited} off={off} act={ask} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const DRAWINGS: Drawing<HistoryPoint>[] = [
  {
    id: 'records',
    title: 'Records',
    rows: [
      { name: 'written/s', colour: '--series-0', of: (p) => p.records_per_s },
      { name: 'throttled/s', colour: '--bad-fill', of: (p) => p.throttled_per_s },
    ],
    value: rate,
  },
  {
    id: 'bytes',
    title: 'Bytes',
    rows: [
      { name: 'written/s', colour: '--series-0', of: (p) => p.bytes_per_s },
      { name: 'read/s', colour: '--series-1', of: (p) => p.read_bytes_per_s },
    ],
    value: (n) => bytes(n).join(' '),
  },
];

function History() {
  const points = history.value?.points ?? null;
  return (
    <section class="panel" aria-labelledby="past-title" data-testid="past">
      <div class="panel-head">
        <h2 id="past-title">Totals over time</h2>
        <Zone />
        <Spans id="span" value={span.value} look={look} most={SPAN_S_MAX} />
      </div>
      {points === null && <div class="skeleton" />}
      {points?.length === 0 && <p class="panel-none">Nothing was measured yet.</p>}
      {points && points.length > 0 && DRAWINGS.map((drawing) => <PastChart key={drawing.id} id="past" drawing={drawing} points={points} at={(p) => p.at_ms} height={150} />)}
    </section>
  );
}

function Head({ now }: { now: View }) {
  const { line } = now;
  const control = controlOf('stream', line.name);
  const { pending, error } = control.value;
  const mood = line.throttled_per_s + line.throttled_reads_per_s > 0 ? 'bad' : undefined;
  const [disk, unit] = bytes(now.disk_bytes);
  const set = (shards: number) => run(control, `The stream changes to ${shards} shards.`, () => orders.setStreamCount(line.name, shards));
  return (
    <section class="panel" aria-labelledby="stream-view-title" data-testid="stream-view">
      <div class="panel-head">
        <h2 id="stream-view-title" class="stream-view-name">
          {line.name}
        </h2>
        <span class="pill" data-mood={line.status === 'active' ? 'good' : 'warn'} data-testid="stream-view-state">
          {line.status}
        </span>
      </div>
      <Facts
        facts={[
          { id: 'view-records', label: 'Records in', value: rate(line.records_per_s), unit: '/s' },
          { id: 'view-bytes', label: 'Bytes in', value: size(line.bytes_per_s) },
          { id: 'view-read', label: 'Bytes out', value: size(line.read_bytes_per_s) },
          { id: 'view-throttled', label: 'Throttled', value: rate(line.throttled_per_s + line.throttled_reads_per_s), unit: '/s', mood },
          { id: 'view-read-age', label: 'Readers behind', value: age(line.read_age_ms) },
          { id: 'view-retention', label: 'Kept for', value: count(now.retention_hours), unit: 'h' },
          { id: 'view-disk', label: 'On disk', value: disk, unit },
          { id: 'view-consumers', label: 'Consumers', value: count(now.consumers) },
        ]}
      />
      <div class="controls">
        <Stepper id="view-shards" label="Shards" value={line.open_shards} min={1} max={SHARDS_MAX} pending={pending || line.status !== 'active'} disabled={locked.value} set={set} />
      </div>
      {error && (
        <p class="control-error" role="alert" data-testid="stream-view-error">
          {error}
        </p>
      )}
    </section>
  );
}

/** Of one stream: what was typed or asked for it is not for another that takes its place. */
function Detail({ now }: { now: View }) {
  const [asked, ask] = useState<Action | null>(null);
  return (
    <>
      <Head now={now} />
      <History />
      <section class="panel" aria-labelledby="lineage-title">
        <div class="panel-head">
          <h2 id="lineage-title">Lineage of shards</h2>
        </div>
        <Lineage bands={now.lineage} now={tick.value?.at_ms ?? Date.now()} />
      </section>
      <Shards now={now} asked={asked} ask={ask} />
      <ShardKeys stream={now.line.name} split={(shard, at) => ask({ kind: 'split', shard, at })} />
    </>
  );
}

export function StreamView() {
  const all = streams.value;
  const now = view.value;
  return (
    <main class="streams" id="content" tabIndex={-1} data-testid="streams">
      <nav class="panel stream-list" aria-label="Streams">
        <h2>Streams</h2>
        {all === null && <div class="skeleton" />}
        {all?.length === 0 && <p class="panel-none">No stream yet. Make one through the AWS door.</p>}
        <ul>{all?.map((line) => <Line key={line.name} line={line} />)}</ul>
      </nav>
      <div class="stream-detail">
        <Absent what="stream" names={streams.value?.map((line) => line.name) ?? null} />
        <Trouble id="streams-trouble" words={trouble.value} stale={now !== null} />
        {now && <Detail key={now.line.name} now={now} />}
      </div>
    </main>
  );
}
