// A moment of the wall clock: for people by their own clock, for machines and on hover exactly.
import { when, zone } from '../clock';
import { isTime } from '../format';

export function Instant({ ms }: { ms: number }) {
  if (!isTime(ms)) return <span>–</span>;
  const exact = new Date(ms).toISOString();
  return (
    <time dateTime={exact} title={exact}>
      {when(ms)}
    </time>
  );
}

/** Tells once, beside what holds such moments, whose clock they are of. */
export function Zone() {
  return <p class="hint">times in {zone()}</p>;
}
