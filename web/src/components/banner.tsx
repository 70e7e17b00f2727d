// The banner over everything: the connection is lost, or the chosen range holds nothing while another one does.
import { useEffect, useState } from 'preact/hooks';
import { moment, span } from '../format';
import { connection, retryAt, tick } from '../live';
import { overlaps, FOLLOW_ALL } from '../range';
import { available, choice, choose } from '../results';
import { Instant } from './instant';

function Lost() {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const at = tick.value?.at_ms;
  const seconds = Math.max(0, Math.ceil(((retryAt.value ?? now) - now) / 1000));
  return (
    <div class="banner" data-kind="bad" role="alert" data-testid="banner">
      <strong>The platform does not answer.</strong>{' '}
      <span>{at === undefined ? 'There is nothing to show yet.' : <>What you see is of <Instant ms={at} />.</>}</span>{' '}
      <span aria-hidden="true">{seconds > 0 ? `Trying again in ${seconds} s.` : 'Trying again…'}</span>
    </div>
  );
}

export function Banner() {
  if (connection.value === 'lost') return <Lost />;
  const [all, chosen] = [available.value, choice.value];
  if (!all || chosen.kind !== 'fixed' || overlaps(all, chosen.range)) return null;
  return (
    <div class="banner" data-kind="note" role="status" data-testid="banner">
      <span>
        No results between {moment(chosen.range.from_ms)} and {moment(chosen.range.to_ms)}: they cover {span(all.from_ms, all.to_ms)}.
      </span>{' '}
      <button type="button" class="button" onClick={() => choose(FOLLOW_ALL)}>
        Show them
      </button>
    </div>
  );
}
