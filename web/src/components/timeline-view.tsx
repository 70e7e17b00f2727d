// The timeline: what happened, a row for each thing that it happened to, the first causes marked; below it in words.
import { useState } from 'preact/hooks';
import type { Happening } from '../api';
import { when } from '../clock';
import { happenings, look, span, trouble, until } from '../timeline';
import { Instant, Zone } from './instant';
import { Spans } from './spans';
import { Trouble } from './trouble';

/** Most rows of the drawing: the subjects of which most is told. */
const ROWS_MAX = 12;

const MOODS = { info: 'calm', warning: 'warn', fault: 'bad' } as const;

/** Those of whom most is told, in the order in which they come first. */
function subjects(events: Happening[]): string[] {
  const counts = new Map<string, number>();
  for (const event of events) counts.set(event.subject, (counts.get(event.subject) ?? 0) + 1);
  const kept = new Set([...counts].sort((a, b) => b[1] - a[1]).slice(0, ROWS_MAX).map(([subject]) => subject));
  return [...counts.keys()].filter((subject) => kept.has(subject));
}

function Axis({ events, pointed, point }: { events: Happening[]; pointed: number | null; point: (at: number | null) => void }) {
  const to = until.value;
  const from = to - span.value * 1_000;
  const left = (ms: number) => `${Math.min(100, Math.max(0, ((ms - from) / (to - from)) * 100))}%`;
  return (
    <div class="axis" data-testid="axis">
      {subjects(events).map((subject) => (
        <div class="axis-row" key={subject}>
          <span class="axis-name" title={subject}>
            {subject}
          </span>
          <span class="axis-line">
            {events.map((event, at) =>
              event.subject === subject ? (
                <button
                  key={at}
                  type="button"
                  class="axis-mark"
                  data-mood={MOODS[event.severity]}
                  data-first={event.first_cause}
                  data-pointed={pointed === at}
                  style={{ left: left(event.at_ms) }}
                  aria-label={`${when(event.at_ms)}: ${event.text}`}
                  title={`${when(event.at_ms)} ${event.text}`}
                  onPointerEnter={() => point(at)}
                  onPointerLeave={() => point(null)}
                  onClick={() => document.getElementById(`event-${at}`)?.scrollIntoView({ block: 'center' })}
                />
              ) : null,
            )}
          </span>
        </div>
      ))}
      <div class="axis-ends" aria-hidden="true">
        <span>{when(from)}</span>
        <span>{when(to)}</span>
      </div>
    </div>
  );
}

function Words({ events, pointed }: { events: Happening[]; pointed: number | null }) {
  const latest = events.map((event, at) => ({ event, at })).reverse();
  return (
    <ol class="happenings" data-testid="happenings">
      {latest.map(({ event, at }) => (
        <li key={at} id={`event-${at}`} data-pointed={pointed === at} data-testid="happening">
          <Instant ms={event.at_ms} />
          <span class="pill" data-mood={MOODS[event.severity]}>
            {event.kind}
          </span>
          <span class="happening-words">
            <strong>{event.subject}</strong> {event.text}
            {event.first_cause && <em class="first-cause">first cause</em>}
          </span>
        </li>
      ))}
    </ol>
  );
}

export function TimelineView() {
  const [pointed, point] = useState<number | null>(null);
  const events = happenings.value;
  return (
    <main class="timeline" id="content" tabIndex={-1} data-testid="timeline">
      <section class="panel" aria-labelledby="timeline-title">
        <div class="panel-head">
          <h2 id="timeline-title">What happened</h2>
          <Zone />
          <Spans id="timeline" value={span.value} look={look} />
        </div>
        <Trouble id="timeline-trouble" words={trouble.value} stale={events !== null} />
        {events === null && !trouble.value && <div class="skeleton" />}
        {events?.length === 0 && <p class="panel-none">Nothing worth telling happened in this time.</p>}
        {events && events.length > 0 && (
          <>
            <Axis events={events} pointed={pointed} point={point} />
            <Words events={events} pointed={pointed} />
          </>
        )}
      </section>
    </main>
  );
}
