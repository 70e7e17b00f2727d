// The stream: rates, throttles, a bar per shard, and the control of the shard count.
import { type Shard, type Stream, orders } from '../api';
import { controlOf, locked, run } from '../controls';
import { bytes, count, percent, rate } from '../format';
import { past } from '../live';
import { Sparkline } from './sparkline';
import { Facts, type Mood, Stage } from './stage';
import { Stepper } from './stepper';

/** Most shards that one stream can have. */
const SHARDS_MAX = 10_000;
/** Most shards with a bar of their own; with more of them the fullest have one. */
const BARS_MAX = 64;

/** Any throttling is amber; from a tenth of what is offered on it is red. */
function moodOfThrottle({ throttled_per_s, records_per_s }: Shard | Stream): Mood | null {
  if (!(throttled_per_s > 0)) return null;
  return throttled_per_s >= 0.1 * (throttled_per_s + Math.max(0, records_per_s)) ? 'bad' : 'warn';
}

function moodOfStream(stream: Stream): Mood {
  return moodOfThrottle(stream) ?? (stream.status === 'active' ? 'good' : 'warn');
}

function describe(shard: Shard): string {
  const [value, unit] = bytes(shard.bytes_per_s);
  const use = shard.limit_use === null ? 'no limit' : `${percent(shard.limit_use)} of its limit`;
  const throttled = shard.throttled_per_s > 0 ? `, ${rate(shard.throttled_per_s)} throttled/s` : '';
  return `${shard.id}: ${use}, ${rate(shard.records_per_s)} records/s, ${value} ${unit}/s${throttled}`;
}

function Bars({ shards, open }: { shards: Shard[]; open: number }) {
  const fullest = Math.max(1, ...shards.map((shard) => shard.records_per_s));
  const fill = (shard: Shard) => shard.limit_use ?? shard.records_per_s / fullest;
  const shown = shards.length <= BARS_MAX ? shards : [...shards].sort((a, b) => fill(b) - fill(a)).slice(0, BARS_MAX);
  const label = shown.length < open ? `The ${shown.length} fullest of ${count(open)} shards` : `Use of ${open} shards`;
  return (
    <figure class="shards">
      <ul class="shard-bars" aria-label={label} data-testid="shards">
        {shown.map((shard) => (
          <li key={shard.id} data-mood={moodOfThrottle(shard) ?? 'good'} title={describe(shard)}>
            <span class="shard-fill" style={{ height: `${Math.max(2, Math.min(1, fill(shard)) * 100)}%` }} />
            <span class="visually-hidden">{describe(shard)}</span>
          </li>
        ))}
      </ul>
      <figcaption>{label}</figcaption>
    </figure>
  );
}

export function StreamStage({ stream }: { stream: Stream }) {
  const control = controlOf('strip-stream', stream.name);
  const { pending, error } = control.value;
  const mood = moodOfStream(stream);
  const [value, unit] = bytes(stream.bytes_per_s);
  const throttling = stream.throttled_per_s > 0;
  const state = stream.status === 'active' && throttling ? 'throttling' : stream.status === 'updating' ? 'resharding' : stream.status;
  const set = (shards: number) => run(control, `The stream changes to ${shards} shards.`, () => orders.setShardCount(shards));
  return (
    <Stage
      id="stream"
      title="Stream"
      name={stream.name}
      state={state}
      mood={mood}
      value={rate(stream.records_per_s)}
      unit="records/s"
      spark={<Sparkline series={past.value.stream} over={past.value.throttled} />}
    >
      <div class="stream-body">
        <Facts
          facts={[
            { id: 'stream-throttled', label: 'Throttled', value: rate(stream.throttled_per_s), unit: '/s', mood: throttling ? mood : undefined },
            { id: 'stream-bytes', label: 'Bytes', value, unit: `${unit}/s` },
            { id: 'stream-shards', label: 'Shards', value: count(stream.open_shards) },
          ]}
        />
        <Bars shards={stream.shards} open={stream.open_shards} />
      </div>
      <div class="controls">
        <Stepper
          id="shard-count"
          label="Shards"
          value={stream.open_shards}
          min={1}
          max={SHARDS_MAX}
          pending={pending || stream.status !== 'active'}
          disabled={locked.value}
          set={set}
        />
      </div>
      {error && (
        <p class="control-error" role="alert" data-testid="shards-error">
          {error}
        </p>
      )}
    </Stage>
  );
}
