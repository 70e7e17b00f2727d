// Scaling: load, lag and size on one axis of time with the decisions on it, each decision with its numbers, and the rules.
import { useState } from 'preact/hooks';
import { type Decision, type PolicyLine, type ScalingMode, type ScalingPoint, orders } from '../api';
import { when } from '../clock';
import { locked, run, scalingControl } from '../controls';
import { count, duration, rate } from '../format';
import { look, refresh, scaling, span, trouble } from '../scaling';
import { Instant, Zone } from './instant';
import { type Drawing, PastChart } from './past-chart';
import { Spans } from './spans';
import type { Mood } from './stage';
import { Trouble } from './trouble';

/** What tells a decision from all others: its place in the list changes with each new one. */
const idOf = ({ at_ms, subject, policy }: Decision): string => `${at_ms} ${subject} ${policy}`;
/** The same as an element has it, without spaces. */
const elementOf = (id: string): string => `decision-${encodeURIComponent(id)}`;

const OUTCOMES: Record<Decision['outcome'], [string, Mood]> = {
  under_way: ['under way', 'warn'],
  done: ['done', 'good'],
  failed: ['failed', 'bad'],
  dry_run: ['dry run', 'calm'],
  refused: ['not done', 'warn'],
};

const MODES: [ScalingMode, string][] = [
  ['off', 'Off'],
  ['dry_run', 'Dry run'],
  ['on', 'On'],
];

const DRAWINGS: Drawing<ScalingPoint>[] = [
  {
    id: 'load',
    title: 'Load, in records/s',
    rows: [
      { name: 'taken', colour: '--series-0', of: (p) => p.accepted_per_s },
      { name: 'refused', colour: '--bad-fill', of: (p) => p.throttled_per_s },
      { name: 'read', colour: '--series-1', of: (p) => p.read_per_s },
    ],
    value: rate,
  },
  { id: 'lag', title: 'Lag', rows: [{ name: 'behind latest', colour: '--bad-fill', of: (p) => p.lag_ms }], value: duration },
  {
    id: 'size',
    title: 'Size',
    rows: [
      { name: 'shards', colour: '--series-0', of: (p) => p.shards },
      { name: 'KPUs', colour: '--series-1', of: (p) => p.kpus },
    ],
    value: count,
  },
];

/** The decisions on the axis of time that the drawings share. */
function Marks({ decisions, points, open }: { decisions: Decision[]; points: ScalingPoint[]; open: (id: string) => void }) {
  const [from, to] = [points[0]?.at_ms ?? 0, points.at(-1)?.at_ms ?? 1];
  return (
    <div class="marks" data-testid="scaling-marks">
      {decisions.map((decision) =>
        decision.at_ms >= from && decision.at_ms <= to ? (
          <button
            key={idOf(decision)}
            type="button"
            class="axis-mark"
            data-mood={OUTCOMES[decision.outcome][1]}
            style={{ left: `${((decision.at_ms - from) / Math.max(1, to - from)) * 100}%` }}
            aria-label={`${when(decision.at_ms)}: ${decision.subject} ${decision.what}`}
            title={`${when(decision.at_ms)} ${decision.subject} ${decision.what}`}
            onClick={() => open(idOf(decision))}
          />
        ) : null,
      )}
    </div>
  );
}

function price(usd: number): string {
  const sign = usd < 0 ? '−' : '+';
  return `${sign}${Math.abs(usd).toFixed(2)} USD/h`;
}

function Entry({ decision, open, toggle }: { decision: Decision; open: boolean; toggle: () => void }) {
  const [words, mood] = OUTCOMES[decision.outcome];
  return (
    <li id={elementOf(idOf(decision))} data-testid="decision">
      <Instant ms={decision.at_ms} />
      <span class="pill" data-mood={mood}>
        {words}
      </span>
      <div class="happening-words">
        <p>
          <strong>{decision.subject}</strong> {decision.what}
          {decision.price_per_hour !== null && <span class="hint"> {price(decision.price_per_hour)}</span>}
        </p>
        <p>{decision.reason}</p>
        {decision.outcome_text && <p class="hint">{decision.outcome_text}</p>}
        <button type="button" class="link" aria-expanded={open} onClick={toggle} data-testid="decision-more">
          {open ? 'Less' : 'How it was computed'}
        </button>
        {open && (
          <div class="decision-inputs" data-testid="decision-inputs">
            <p>
              Rule {decision.policy}: <code>{decision.formula}</code>
            </p>
            <dl>
              {decision.inputs.map(([name, value]) => (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
          </div>
        )}
      </div>
    </li>
  );
}

function Rules({ policies }: { policies: PolicyLine[] }) {
  const { pending, error } = scalingControl.value;
  const set = async (policy: PolicyLine, mode: ScalingMode, words: string) => {
    await run(scalingControl, `${policy.subject}: ${words}.`, () => orders.setScalingMode(policy.subject, mode));
    refresh();
  };
  return (
    <section class="panel" aria-labelledby="rules-title">
      <div class="panel-head">
        <h2 id="rules-title">Rules</h2>
      </div>
      {policies.length === 0 && <p class="panel-none">No rule scales anything. An application with AutoScalingEnabled gets one, a stream one in the stack file.</p>}
      <ul class="rules">
        {policies.map((policy) => (
          <li key={policy.subject} data-testid="rule">
            <span class="happening-words">
              <strong>{policy.subject}</strong> {policy.policy}
              <br />
              <span class="hint">{policy.bounds}</span>
            </span>
            <div class="spans" role="group" aria-label={`What the rule of ${policy.subject} may do`}>
              {MODES.map(([mode, words]) => (
                <button key={mode} type="button" class="button" aria-pressed={policy.mode === mode} disabled={pending || locked.value} onClick={() => void set(policy, mode, words)} data-testid={`rule-${mode}`}>
                  {words}
                </button>
              ))}
            </div>
          </li>
        ))}
      </ul>
      {error && (
        <p class="control-error" role="alert" data-testid="rules-error">
          {error}
        </p>
      )}
    </section>
  );
}

export function ScalingView() {
  const now = scaling.value;
  const [opened, setOpened] = useState<string | null>(null);
  const open = (id: string) => {
    setOpened(id);
    document.getElementById(elementOf(id))?.scrollIntoView({ block: 'center' });
  };
  return (
    <main class="scaling" id="content" tabIndex={-1} data-testid="scaling">
      <section class="panel" aria-labelledby="scaling-title">
        <div class="panel-head">
          <h2 id="scaling-title">Load, lag and size</h2>
          <Zone />
          <Spans id="scaling-span" value={span.value} look={look} />
        </div>
        <Trouble id="scaling-trouble" words={trouble.value} stale={now !== null} />
        {now === null && !trouble.value && <div class="skeleton" />}
        {now?.points.length === 0 && <p class="panel-none">Nothing was measured yet.</p>}
        {now && now.points.length > 0 && (
          <>
            <Marks decisions={now.decisions} points={now.points} open={open} />
            {DRAWINGS.map((drawing) => (
              <PastChart key={drawing.id} id="scaling" drawing={drawing} points={now.points} at={(p) => p.at_ms} height={130} />
            ))}
          </>
        )}
      </section>
      {now && (
        <>
          <section class="panel" aria-labelledby="decisions-title">
            <div class="panel-head">
              <h2 id="decisions-title">Decisions</h2>
            </div>
            {now.decisions.length === 0 && <p class="panel-none">Nothing was decided yet.</p>}
            <ol class="happenings decisions" data-testid="decisions">
              {now.decisions.map((decision) => {
                const id = idOf(decision);
                return <Entry key={id} decision={decision} open={opened === id} toggle={() => setOpened(opened === id ? null : id)} />;
              })}
            </ol>
          </section>
          <Rules policies={now.policies} />
        </>
      )}
    </main>
  );
}
