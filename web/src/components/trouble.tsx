// The words of an answer that failed.
import { connection } from '../live';

/** Nothing where nothing failed, nor while the banner says that nothing answers at all; `stale` where an older answer is shown. */
export function Trouble({ words, stale, id = 'trouble' }: { words: string | null; stale: boolean; id?: string }) {
  if (words === null || connection.value === 'lost') return null;
  return (
    <p class="trouble" role="alert" data-testid={id}>
      {words} {stale && <span class="hint">Older numbers are shown.</span>}
    </p>
  );
}
