// The heaviest keys of one shard: asked for when somebody wants to know, and again on demand.
import { signal } from '@preact/signals';
import { type ShardKeys as Keys, streamQuestions, wordsOf } from '../api';
import { bytes, count, percent } from '../format';

type Asked = { stream: string; shard: number; keys: Keys | null; trouble: string | null };

const asked = signal<Asked | null>(null);
let asking: AbortController | null = null;

/** Asks for the keys of a shard; the answer to an earlier question is dropped. */
export async function askKeys(stream: string, shard: number): Promise<void> {
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  asked.value = { stream, shard, keys: null, trouble: null };
  try {
    const keys = await streamQuestions.keys(stream, shard, mine.signal);
    if (asking === mine) asked.value = { stream, shard, keys, trouble: null };
  } catch (error) {
    if (mine.signal.aborted) return;
    const trouble = wordsOf(error);
    asked.value = { stream, shard, keys: null, trouble };
  }
}

function close(): void {
  asking?.abort();
  asked.value = null;
}

function Advice({ keys, split }: { keys: Keys; split: (at: string) => void }) {
  const { advice } = keys;
  if (advice.what === 'one_key') return <p>One key carries most of it: no split helps, its writers must spread it over several keys.</p>;
  if (advice.what === 'nothing') return null;
  return (
    <p class="keys-advice">
      <span>
        A split at {advice.at} leaves {percent(advice.below)} of the load on the first side.
      </span>
      <button type="button" class="button" onClick={() => split(advice.at)} data-testid="split-there">
        Split there
      </button>
    </p>
  );
}

function List({ keys }: { keys: Keys }) {
  return (
    <div class="table-scroll shard-table">
      <table data-testid="shard-keys">
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col">Records</th>
            <th scope="col">Share</th>
          </tr>
        </thead>
        <tbody>
          {keys.keys.map((key) => (
            <tr key={key.key}>
              <th scope="row" class="key-name">
                {key.key}
              </th>
              <td class="number">{count(key.records)}</td>
              <td>
                <div class="use">
                  <span class="use-track" aria-hidden="true">
                    <span class="use-fill" style={{ width: `${Math.min(1, key.share) * 100}%` }} />
                  </span>
                  <span class="use-words">{percent(key.share)}</span>
                </div>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function ShardKeys({ stream, split }: { stream: string; split: (shard: number, at: string) => void }) {
  const now = asked.value;
  if (now === null || now.stream !== stream) return null;
  const { keys, shard, trouble } = now;
  const [size, unit] = bytes(keys?.bytes ?? 0);
  return (
    <section class="panel" aria-labelledby="keys-title" data-testid="keys-panel">
      <div class="panel-head">
        <h2 id="keys-title">Heaviest keys of shard {shard}</h2>
        {keys && (
          <p class="hint" data-testid="keys-counted">
            {count(keys.records)} records, {size} {unit}, in the last {keys.seconds} s; records in aggregated ones count one by one
          </p>
        )}
        <div class="spans">
          <button type="button" class="button" onClick={() => void askKeys(stream, shard)}>
            Count again
          </button>
          <button type="button" class="button" onClick={close}>
            Close
          </button>
        </div>
      </div>
      {trouble && (
        <p class="control-error" role="alert">
          {trouble}
        </p>
      )}
      {!keys && !trouble && <div class="skeleton" />}
      {keys?.records === 0 && <p class="panel-none">Nothing was written to it of late.</p>}
      {keys && keys.records > 0 && (
        <>
          <List keys={keys} />
          <Advice keys={keys} split={(at) => split(shard, at)} />
        </>
      )}
    </section>
  );
}
