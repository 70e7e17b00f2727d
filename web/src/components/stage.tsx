// The frame that all stages of the pipeline share: name, state, main number with its recent past, facts.
import type { ComponentChildren } from 'preact';

export type Mood = 'good' | 'calm' | 'warn' | 'bad';

export interface Fact {
  label: string;
  value: string;
  unit?: string | undefined;
  mood?: Mood | undefined;
  id: string;
  onClick?: (() => void) | undefined;
}

/** How worrying a delay is. */
export function moodOfLag(ms: number | null): Mood | undefined {
  if (ms === null || ms < 10_000) return undefined;
  return ms < 60_000 ? 'warn' : 'bad';
}

function Value({ fact }: { fact: Fact }) {
  const content = (
    <>
      {fact.value}
      {fact.unit && <small>{fact.unit}</small>}
    </>
  );
  return fact.onClick ? (
    <button type="button" class="link" onClick={fact.onClick}>
      {content}
    </button>
  ) : (
    content
  );
}

export function Facts({ facts }: { facts: Fact[] }) {
  return (
    <dl class="facts">
      {facts.map((fact) => (
        <div key={fact.id} data-mood={fact.mood}>
          <dt>{fact.label}</dt>
          <dd data-testid={fact.id}>
            <Value fact={fact} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

interface Props {
  id: string;
  title: string;
  name?: string | undefined;
  state: string;
  mood: Mood;
  value: string;
  unit: string;
  spark?: ComponentChildren;
  children: ComponentChildren;
}

export function Stage({ id, title, name, state, mood, value, unit, spark, children }: Props) {
  return (
    <section class="stage" aria-labelledby={`${id}-title`} data-testid={id} data-mood={mood}>
      <div class="stage-head">
        <h2 id={`${id}-title`}>
          {title}
          {name && <span class="stage-name" title={name}>{name}</span>}
        </h2>
        <span class="pill" data-mood={mood} data-testid={`${id}-state`}>
          {state}
        </span>
      </div>
      <div class="stage-main">
        <p class="stage-value">
          <span data-testid={`${id}-rate`}>{value}</span> <small>{unit}</small>
        </p>
        {spark}
      </div>
      {children}
    </section>
  );
}

/** A stage that the platform does not have, or of which nothing is known yet. */
export function NoStage({ id, title, loading, words }: { id: string; title: string; loading: boolean; words: string }) {
  return (
    <section class="stage" aria-labelledby={`${id}-title`} data-testid={id} data-mood="calm" aria-busy={loading}>
      <div class="stage-head">
        <h2 id={`${id}-title`}>{title}</h2>
      </div>
      {loading ? <div class="skeleton stage-skeleton" /> : <p class="stage-none">{words}</p>}
    </section>
  );
}
