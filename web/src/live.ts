// The live connection: newest tick, whether it is fresh, and the recent past of each rate.
import { computed, signal } from '@preact/signals';
import type { Pipeline, Tick } from './api';
import { session, whoLooks } from './session';

export type Connection = 'connecting' | 'live' | 'lost';

export const connection = signal<Connection>('connecting');
export const tick = signal<Tick | null>(null);
export const pipeline = computed<Pipeline | null>(() => tick.value?.pipeline ?? null);
export const revision = computed<number | null>(() => pipeline.value?.index.revision ?? null);
/** When the next attempt to connect is made, in milliseconds since the Unix epoch. */
export const retryAt = signal<number | null>(null);

/** Points of a sparkline: two minutes at a tick a second. */
export const HISTORY_TICKS = 120;

export interface Past {
  replay: number[];
  stream: number[];
  throttled: number[];
  application: number[];
  index: number[];
}

export const past = signal<Past>({ replay: [], stream: [], throttled: [], application: [], index: [] });

/** Without a tick for this long the connection counts as lost, whatever the browser says. */
const SILENCE_MS_MAX = 6_000;
const RETRY_MS = [1_000, 2_000, 4_000, 8_000];

function remember({ replay, stream, application, index }: Pipeline): void {
  const add = (series: number[], value: number) => [...series.slice(1 - HISTORY_TICKS), Math.max(0, value)];
  const old = past.value;
  past.value = {
    replay: add(old.replay, replay?.records_per_s ?? 0),
    stream: add(old.stream, stream?.records_per_s ?? 0),
    throttled: add(old.throttled, stream?.throttled_per_s ?? 0),
    application: add(old.application, application?.records_per_s ?? 0),
    index: add(old.index, index.documents_per_s),
  };
}

/** Connects, and connects again for as long as the page is open. */
export function connect(): void {
  let attempts = 0;
  let silence: ReturnType<typeof setTimeout>;
  const open = () => {
    retryAt.value = null;
    const source = new EventSource('/api/live');
    const lose = () => {
      source.close();
      clearTimeout(silence);
      connection.value = 'lost';
      // A browser does not tell why: perhaps nobody is known any more.
      void whoLooks();
      const wait = RETRY_MS[Math.min(attempts, RETRY_MS.length - 1)] ?? 8_000;
      attempts += 1;
      retryAt.value = Date.now() + wait;
      setTimeout(open, wait);
    };
    const listen = () => {
      clearTimeout(silence);
      silence = setTimeout(lose, SILENCE_MS_MAX);
    };
    source.addEventListener('tick', (event: MessageEvent<string>) => {
      attempts = 0;
      listen();
      const newest = JSON.parse(event.data) as Tick;
      remember(newest.pipeline);
      tick.value = newest;
      connection.value = 'live';
      if (session.peek() === null) void whoLooks();
    });
    source.addEventListener('error', lose);
    listen();
  };
  open();
}
