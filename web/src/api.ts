// What the console's server says and takes: its types, its questions, its controls, and how failures reach the page.

import { session, toLogin, whoLooks } from './session';

export interface Replay {
  state: 'idle' | 'running' | 'paused' | 'finished' | 'failed';
  message: string | null;
  records_per_s: number;
  speedup: number | null;
  replay_lag_ms: number | null;
  sent: number;
  refused: number;
  retries: number;
  position_ms: number | null;
  progress: number | null;
}

export interface Shard {
  id: string;
  records_per_s: number;
  bytes_per_s: number;
  limit_use: number | null;
  throttled_per_s: number;
}

export interface Stream {
  name: string;
  status: 'creating' | 'active' | 'updating' | 'deleting';
  open_shards: number;
  records_per_s: number;
  bytes_per_s: number;
  throttled_per_s: number;
  shards: Shard[];
}

export interface BadSample {
  position: string;
  reason: string;
  text: string;
}

export interface Operator {
  name: string;
  input_watermark_ms: number | null;
  watermark_ms: number | null;
  hold: string | null;
}

export interface Application {
  name: string;
  state: 'ready' | 'starting' | 'running' | 'updating' | 'stopping' | 'finished' | 'failed';
  parallelism: number;
  kpus: number;
  records_per_s: number;
  watermark_ms: number | null;
  watermark_hold: string | null;
  operators: Operator[];
  millis_behind_latest: number | null;
  late: number;
  late_windows: { end_ms: number; count: number }[];
  bad: number;
  bad_samples: BadSample[];
  restarts: number;
  last_error: string | null;
}

export interface Index {
  documents: number;
  documents_per_s: number;
  revision: number;
  indices: { name: string; documents: number }[];
}

export interface Pipeline {
  replay: Replay | null;
  stream: Stream | null;
  application: Application | null;
  index: Index;
}

export interface Tick {
  sequence: number;
  at_ms: number;
  pipeline: Pipeline;
}

/** Windows that ended after `from_ms` and at or before `to_ms`. */
export interface TimeRange {
  from_ms: number;
  to_ms: number;
}

export interface Cell {
  geohash: string;
  count: number;
}

export interface Cells {
  cells: Cell[];
  truncated: boolean;
}

export interface HourCount {
  t: number;
  count: number;
}

export interface AirportLine {
  airport: string;
  points: { t: number; avg: number; trips: number }[];
}

export interface Summary {
  totals: { pickups: number; areas: number; airport_trips: number; hours: number };
  airports: AirportLine[];
  top: Cell[];
  hours: HourCount[];
}

export interface Bbox {
  west: number;
  south: number;
  east: number;
  north: number;
}

export interface StreamLine {
  name: string;
  status: Stream['status'];
  open_shards: number;
  records_per_s: number;
  bytes_per_s: number;
  throttled_per_s: number;
  read_bytes_per_s: number;
  throttled_reads_per_s: number;
  read_age_ms: number | null;
}

/** What an open shard is used for; each use is a share of its limit. */
export interface ShardUse {
  number: number;
  records_per_s: number;
  bytes_per_s: number;
  records_use: number;
  bytes_use: number;
  read_bytes_per_s: number;
  read_use: number;
  throttled_per_s: number;
  throttled_reads_per_s: number;
  read_age_ms: number | null;
}

/** One shard, or several of the same time, as a part of the key space (0 to 1) from its opening to its close. */
export interface Band {
  number: number;
  shards: number;
  parents: number[];
  from: number;
  to: number;
  opened_ms: number;
  closed_ms: number | null;
}

export interface StreamView {
  line: StreamLine;
  limited: boolean;
  retention_hours: number;
  consumers: number;
  disk_bytes: number;
  shards: ShardUse[];
  lineage: Band[];
}

export interface HistoryPoint {
  at_ms: number;
  records_per_s: number;
  bytes_per_s: number;
  read_bytes_per_s: number;
  throttled_per_s: number;
}

export interface StreamHistory {
  period_s: number;
  points: HistoryPoint[];
}

export interface KeyShare {
  key: string;
  records: number;
  share: number;
}

/** The heaviest keys of a shard, and what to do about its load. */
export interface ShardKeys {
  number: number;
  seconds: number;
  records: number;
  bytes: number;
  keys: KeyShare[];
  advice: { what: 'nothing' } | { what: 'split'; at: string; below: number } | { what: 'one_key' };
}

/** What the application has come to, kept under a name. */
export interface Snapshot {
  name: string;
  created_ms: number;
  bytes: number;
}

export interface ApplicationLine {
  name: string;
  state: Application['state'];
  parallelism: number;
  kpus: number;
  restarts: number;
  last_error: string | null;
}

/** What an operator does; shares are of the time of the last second. */
export interface OperatorUse {
  name: string;
  /** The places of those whose rows it reads. */
  inputs: number[];
  subtasks: number;
  records_in_per_s: number;
  records_out_per_s: number;
  busy: number;
  busy_most: number;
  backpressured: number;
  watermark_ms: number | null;
  hold: string | null;
  behind_ms: number | null;
  read_bytes_per_s: number | null;
  /** Of a sink, milliseconds for a thousand rows. */
  write_ms: number | null;
  refused_per_s: number | null;
}

export interface ApplicationDetail {
  name: string;
  version: number;
  updated_ms: number;
  rollback: boolean;
  checkpoint_interval_ms: number | null;
  description: string;
  properties: Record<string, Record<string, string>>;
  /** Empty where it is a program. */
  script: string;
  program: { sha256: string; bytes: number; main_class: string | null; from: string | null } | null;
}

export interface Operation {
  id: string;
  kind: string;
  status: 'IN_PROGRESS' | 'SUCCESSFUL' | 'FAILED' | 'CANCELLED';
  start_ms: number;
  end_ms: number | null;
  versions: [number, number] | null;
  failure: string | null;
}

/** What a move of an application to another runner means. */
export interface MovePlan {
  from: string;
  to: string;
  /** Windows that close at or before this are done; `null` where none is. */
  closed_ms: number | null;
  windows: { operator: string; begins_ms: number }[];
  /** Where reading begins: `null` at the oldest record. */
  starts: { table: string; arrived_ms: number | null }[];
  sinks: string[];
}

export interface LogLine {
  number: number;
  at_ms: number;
  level: 'INFO' | 'WARN' | 'ERROR';
  text: string;
}

export interface ApplicationView {
  line: ApplicationLine;
  /** What runs it: `embedded` or `flink`. */
  runner: string;
  /** Where its runner shows it on a page of its own. */
  page: string | null;
  parallelism_per_kpu: number;
  records_in_per_s: number;
  records_out_per_s: number;
  watermark_ms: number | null;
  millis_behind_latest: number | null;
  state_bytes: number;
  state_budget_bytes: number | null;
  spilled_bytes: number;
  rescale_pause_ms: number | null;
  checkpoints: { completed: number; failed: number; last_duration_ms: number; last_size_bytes: number };
  operators: OperatorUse[];
}

/** Something that happened. */
export interface Happening {
  at_ms: number;
  severity: 'info' | 'warning' | 'fault';
  kind: string;
  subject: string;
  text: string;
  /** Everything that went wrong soon after it came after this. */
  first_cause: boolean;
}

export type AlarmState = 'ok' | 'alarm' | 'insufficient_data';

export interface AlarmLine {
  name: string;
  state: AlarmState;
  since_ms: number;
  reason: string;
  watches: string;
  description: string;
  actions_enabled: boolean;
  actions: string[];
}

export interface AlarmView {
  line: AlarmLine;
  threshold: number | null;
  period_s: number;
  points: [number, number][];
  changes: { at_ms: number; text: string }[];
}

export interface ScalingPoint {
  at_ms: number;
  accepted_per_s: number;
  throttled_per_s: number;
  read_per_s: number;
  lag_ms: number | null;
  shards: number | null;
  kpus: number | null;
}

export interface Decision {
  at_ms: number;
  subject: string;
  policy: string;
  what: string;
  reason: string;
  formula: string;
  inputs: [string, string][];
  price_per_hour: number | null;
  outcome: 'under_way' | 'done' | 'failed' | 'dry_run' | 'refused';
  outcome_text: string;
}

export type ScalingMode = 'off' | 'dry_run' | 'on';

export interface PolicyLine {
  subject: string;
  policy: string;
  bounds: string;
  mode: ScalingMode;
}

export interface Scaling {
  period_s: number;
  points: ScalingPoint[];
  decisions: Decision[];
  policies: PolicyLine[];
}

/** What somebody did, or was not let do. */
export interface AuditEntry {
  number: number;
  at_ms: number;
  event: string;
  of: number | null;
  door: string | null;
  operation: string | null;
  subject: string | null;
  key: string | null;
  user: string | null;
  role: string | null;
  address: string | null;
  status: number | null;
  note: string | null;
}

export interface AuditPage {
  entries: AuditEntry[];
  newest: number;
  hash: string;
}

/** A failure in words for people. */
export class Failure extends Error {}

/** What is said of a question that failed. */
export const wordsOf = (error: unknown): string => (error instanceof Failure ? error.message : 'The answer could not be read.');

/** How long an answer may take, in milliseconds. */
const ANSWER_MS_MAX = 15_000;
/** How long the answer to a jar may take, which has to be sent first. */
const JAR_MS_MAX = 120_000;
/** Largest jar that the console takes, in bytes. */
export const JAR_BYTES_MAX = 64 * 1024 * 1024;

async function request<T>(path: string, init: RequestInit, ms_max = ANSWER_MS_MAX): Promise<T> {
  const deadline = AbortSignal.timeout(ms_max);
  const signal = init.signal ? AbortSignal.any([init.signal, deadline]) : deadline;
  let response: Response;
  let body: { error?: { message?: string } };
  try {
    response = await fetch(path, { ...init, signal });
    body = await response.json();
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new Failure(deadline.aborted ? `No answer within ${ms_max / 1000} s.` : 'The platform cannot be reached.');
  }
  if (response.status === 401) toLogin();
  // Perhaps the role is another one by now, or the session a new one.
  if (response.status === 403) void whoLooks();
  if (!response.ok) throw new Failure(body.error?.message ?? `The platform answered with status ${response.status}.`);
  return body as T;
}

function ask<T>(path: string, parameters: Record<string, string | number>, signal: AbortSignal): Promise<T> {
  const query = new URLSearchParams(Object.entries(parameters).map(([name, value]) => [name, String(value)]));
  return request<T>(`/api/results/${path}?${query}`, { signal });
}

export const questions = {
  range: (signal: AbortSignal) => ask<{ range: TimeRange | null }>('range', {}, signal),
  cells: (box: Bbox, precision: number, range: TimeRange, signal: AbortSignal) =>
    ask<Cells>('cells', { ...box, precision, from: range.from_ms, to: range.to_ms }, signal),
  summary: (range: TimeRange, top: number, signal: AbortSignal) =>
    ask<Summary>('summary', { from: range.from_ms, to: range.to_ms, top }, signal),
  history: (cell: string, range: TimeRange, signal: AbortSignal) =>
    ask<{ hours: HourCount[] }>('history', { cell, from: range.from_ms, to: range.to_ms }, signal),
};

function askStreams<T>(path: string, parameters: Record<string, string>, signal: AbortSignal): Promise<T> {
  return request<T>(`/api/streams${path}?${new URLSearchParams(parameters)}`, { signal });
}

/** Names an application in a question. */
const of = (application: string): string => `?${new URLSearchParams({ application })}`;

export const snapshotQuestions = {
  list: (application: string, signal: AbortSignal) => request<{ snapshots: Snapshot[] }>(`/api/application/snapshots${of(application)}`, { signal }),
};

export const applicationQuestions = {
  list: (signal: AbortSignal) => request<{ applications: ApplicationLine[] }>('/api/applications', { signal }),
  view: (application: string, signal: AbortSignal) => request<ApplicationView>(`/api/applications/view${of(application)}`, { signal }),
  detail: (application: string, signal: AbortSignal) => request<ApplicationDetail>(`/api/application/describe${of(application)}`, { signal }),
  operations: (application: string, signal: AbortSignal) => request<{ operations: Operation[] }>(`/api/application/operations${of(application)}`, { signal }),
  lines: (application: string, after: number, limit: number, signal: AbortSignal) =>
    request<{ lines: LogLine[] }>(`/api/application/lines${of(application)}&after=${after}&limit=${limit}`, { signal }),
};

export const timelineQuestions = {
  between: (from: number, to: number, signal: AbortSignal) => request<{ events: Happening[] }>(`/api/timeline?from=${from}&to=${to}`, { signal }),
};

export const alarmQuestions = {
  list: (signal: AbortSignal) => request<{ alarms: AlarmLine[]; truncated: boolean }>('/api/alarms', { signal }),
  view: (name: string, seconds: number, signal: AbortSignal) =>
    request<AlarmView>(`/api/alarms/view?${new URLSearchParams({ name, seconds: String(seconds) })}`, { signal }),
};

export const scalingQuestions = {
  past: (seconds: number, signal: AbortSignal) => request<Scaling>(`/api/scaling?seconds=${seconds}`, { signal }),
};

export const auditQuestions = {
  list: (before: number | null, n: number, signal: AbortSignal) =>
    request<AuditPage>(`/api/audit?n=${n}${before === null ? '' : `&before=${before}`}`, { signal }),
};

export const streamQuestions = {
  list: (signal: AbortSignal) => askStreams<{ streams: StreamLine[]; truncated: boolean }>('', {}, signal),
  view: (name: string, signal: AbortSignal) => askStreams<StreamView>('/view', { name }, signal),
  keys: (name: string, shard: number, signal: AbortSignal) => askStreams<ShardKeys>('/keys', { name, shard: String(shard) }, signal),
  history: (name: string, seconds: number, signal: AbortSignal) => askStreams<StreamHistory>('/history', { name, seconds: String(seconds) }, signal),
};

/** What the headers of an order say: what its body is, and that this page sends it. */
function headersOf(kind: string): Record<string, string> {
  const csrf = session.value?.csrf;
  return { 'content-type': kind, ...(csrf ? { 'x-csrf-token': csrf } : {}) };
}

function order(path: string, body: object): Promise<void> {
  return request(`/api/${path}`, { method: 'POST', headers: headersOf('application/json'), body: JSON.stringify(body) });
}

/** An application that is to be. */
export interface NewApplication {
  name: string;
  program: string;
  parallelism: number;
  parallelism_per_kpu: number;
  properties: Record<string, Record<string, string>>;
}

export const orders = {
  startReplay: () => order('replay/start', {}),
  stopReplay: () => order('replay/stop', {}),
  setSpeedup: (speedup: number | null) => order('replay/speed', { speedup }),
  setShardCount: (count: number) => order('stream/shards', { count }),
  keepProgram: (jar: Blob) =>
    request<{ sha256: string }>('/api/application/program', { method: 'POST', headers: headersOf('application/java-archive'), body: jar }, JAR_MS_MAX),
  createApplication: (application: NewApplication) => order('application/create', application),
  startApplication: (application: string) => order('application/start', { application }),
  stopApplication: (application: string) => order('application/stop', { application }),
  rollBack: (application: string) => order('application/rollback', { application }),
  setParallelism: (parallelism: number, application: string) => order('application/parallelism', { parallelism, application }),
  planMove: (runner: string, application: string) =>
    request<MovePlan>('/api/application/move', { method: 'POST', headers: headersOf('application/json'), body: JSON.stringify({ runner, application, plan: true }) }),
  move: (runner: string, application: string) => order('application/move', { runner, application }),
  takeSnapshot: (name: string, application: string) => order('application/snapshots/take', { name, application }),
  restoreSnapshot: (name: string, parallelism: number, application: string) => order('application/snapshots/restore', { name, parallelism, application }),
  removeSnapshot: (name: string, application: string) => order('application/snapshots/remove', { name, application }),
  setAlarmActions: (name: string, enabled: boolean) => order('alarms/actions', { name, enabled }),
  setScalingMode: (subject: string, mode: ScalingMode) => order('scaling/mode', { subject, mode }),
  setStreamCount: (stream: string, count: number) => order('streams/count', { stream, count }),
  splitShard: (stream: string, shard: number, at?: string) => order('streams/split', { stream, shard, at }),
  mergeShard: (stream: string, shard: number) => order('streams/merge', { stream, shard }),
};
