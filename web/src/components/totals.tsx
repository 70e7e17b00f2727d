// Totals over the chosen range.
import { count, span } from '../format';
import { extent, range, standing, summary } from '../results';
import { Trouble } from './trouble';

const WORDS = { loading: 'Loading…', unavailable: 'Not available', empty: 'No results yet', ready: '' };

export function Totals() {
  const { value } = summary.answer.value;
  const trouble = extent.answer.value.failure;
  const shown = range.value;
  const totals: [string, string, number | undefined][] = [
    ['pickups', 'Pickups', value?.totals.pickups],
    ['areas', 'Areas', value?.totals.areas],
    ['airport-trips', 'Airport trips', value?.totals.airport_trips],
  ];
  return (
    <section class="panel panel-totals" aria-label="Totals" data-testid="totals">
      <Trouble words={trouble} stale={value !== null} />
      <dl class="totals">
        {totals.map(([id, label, total]) => (
          <div key={id}>
            <dt>{label}</dt>
            <dd data-testid={`total-${id}`}>{total === undefined ? '–' : count(total)}</dd>
          </div>
        ))}
      </dl>
      <p class="hint" data-testid="shown-range">
        {shown ? span(shown.from_ms, shown.to_ms) : WORDS[standing.value]}
      </p>
    </section>
  );
}
