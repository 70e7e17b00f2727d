// The replay: its rate and lag, and the controls that start, stop and speed it.
import { type Replay, orders } from '../api';
import { locked, replayControl, run } from '../controls';
import { count, duration, percent, rate } from '../format';
import { past } from '../live';
import { Sparkline } from './sparkline';
import { Facts, type Mood, Stage, moodOfLag } from './stage';
import { Stepper } from './stepper';

const MOODS: Record<Replay['state'], Mood> = { idle: 'calm', running: 'good', paused: 'warn', finished: 'calm', failed: 'bad' };

function Progress({ share }: { share: number }) {
  return (
    <div class="progress-row">
      <div class="progress" role="progressbar" aria-label="Share of the replay that was sent" aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(share * 100)}>
        <span style={{ width: `${Math.min(100, share * 100)}%` }} />
      </div>
      <span data-testid="replay-progress">{percent(share)}</span>
    </div>
  );
}

function Controls({ replay }: { replay: Replay }) {
  const { pending, error } = replayControl.value;
  const off = locked.value;
  const running = replay.state === 'running';
  const start = () =>
    running ? run(replayControl, 'The replay stops.', orders.stopReplay) : run(replayControl, 'The replay starts.', orders.startReplay);
  const setSpeed = (speedup: number | null) =>
    run(replayControl, speedup === null ? 'The replay runs as fast as possible.' : `The replay runs ${speedup} times as fast.`, () => orders.setSpeedup(speedup));
  return (
    <>
      <div class="controls">
        <button type="button" class="button button-strong replay-switch" disabled={pending || off} aria-busy={pending} onClick={start} data-testid="replay-switch">
          {running ? 'Stop' : replay.state === 'paused' ? 'Continue' : 'Start'}
        </button>
        <Stepper id="speedup" label="Speed" value={replay.speedup} min={1} max={1e9} pending={pending} disabled={off} set={setSpeed}>
          <button type="button" class="button" aria-pressed={replay.speedup === null} disabled={pending || off} title="As fast as possible" onClick={() => setSpeed(replay.speedup === null ? 3_600 : null)} data-testid="speedup-max">
            max
          </button>
        </Stepper>
      </div>
      {error && (
        <p class="control-error" role="alert" data-testid="replay-error">
          {error}
        </p>
      )}
    </>
  );
}

export function ReplayStage({ replay }: { replay: Replay }) {
  const lag = replay.replay_lag_ms;
  const mood = replay.state === 'running' ? (moodOfLag(lag) ?? 'good') : MOODS[replay.state];
  return (
    <Stage
      id="replay"
      title="Replay"
      state={replay.state}
      mood={mood}
      value={rate(replay.records_per_s)}
      unit="records/s"
      spark={<Sparkline series={past.value.replay} />}
    >
      <Facts
        facts={[
          { id: 'replay-lag', label: 'Replay lag', value: lag === null ? '–' : duration(lag), mood: moodOfLag(lag) },
          { id: 'replay-sent', label: 'Sent', value: count(replay.sent) },
          { id: 'replay-refused', label: 'Refused', value: count(replay.refused) },
          { id: 'replay-retries', label: 'Retries', value: count(replay.retries) },
        ]}
      />
      {replay.progress !== null && <Progress share={replay.progress} />}
      {replay.message && (
        <p class="stage-message" data-mood={MOODS[replay.state]} data-testid="replay-message" title={replay.message}>
          {replay.message}
        </p>
      )}
      <Controls replay={replay} />
    </Stage>
  );
}
