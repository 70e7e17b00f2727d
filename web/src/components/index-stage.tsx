// The index: how many documents it holds, how fast they come, and in which indices.
import type { Index } from '../api';
import { count, rate } from '../format';
import { past } from '../live';
import { Sparkline } from './sparkline';
import { Facts, Stage } from './stage';

/** Most indices that are listed here. */
const LISTED = 4;

export function IndexStage({ index }: { index: Index }) {
  const writing = index.documents_per_s > 0;
  return (
    <Stage
      id="index"
      title="Index"
      state={writing ? 'writing' : index.documents > 0 ? 'at rest' : 'empty'}
      mood={writing ? 'good' : 'calm'}
      value={count(index.documents)}
      unit="documents"
      spark={<Sparkline series={past.value.index} />}
    >
      <Facts facts={[{ id: 'index-documents-rate', label: 'Written', value: rate(index.documents_per_s), unit: '/s' }]} />
      <ul class="indices" data-testid="indices">
        {index.indices.slice(0, LISTED).map(({ name, documents }) => (
          <li key={name}>
            <span title={name}>{name}</span>
            <span>{count(documents)}</span>
          </li>
        ))}
        {index.indices.length > LISTED && <li class="hint">and {index.indices.length - LISTED} more</li>}
      </ul>
    </Stage>
  );
}
