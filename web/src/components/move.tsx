// Moving an application to another runner: what that means is asked for and shown before the second click.
import { useState } from 'preact/hooks';
import { type ApplicationLine, type MovePlan, orders } from '../api';
import { zone } from '../clock';
import { controlOf, locked, run } from '../controls';
import { watermark } from '../watermark';
import { Instant } from './instant';

const NAMES: Record<string, string> = { flink: 'the Flink cluster', embedded: 'this platform' };
const named = (runner: string): string => NAMES[runner] ?? runner;

function Plan({ plan }: { plan: MovePlan }) {
  return (
    <ol class="move-plan" data-testid="move-plan">
      <li>
        {plan.closed_ms === null ? (
          'It ends where it is; no window has closed yet.'
        ) : (
          <>
            It ends where it is, at {watermark(plan.closed_ms)} of event time or later. Windows that close by then stay as they are.
          </>
        )}
      </li>
      {plan.starts.map(({ table, arrived_ms }) => (
        <li key={table}>
          Table {table} is read again {arrived_ms === null ? 'from its oldest record on' : <>from what arrived at <Instant ms={arrived_ms} /> on</>}.
        </li>
      ))}
      <li>
        {plan.windows.length > 0 ? `Open windows of ${plan.windows.length} ${plan.windows.length === 1 ? 'operator' : 'operators'} and all later ones` : 'All further rows'} go into{' '}
        {plan.sinks.join(', ')} from there. If it does not come up, it goes on here as before.
      </li>
    </ol>
  );
}

export function Move({ line, runner }: { line: ApplicationLine; runner: string }) {
  const [plan, setPlan] = useState<MovePlan | null>(null);
  const control = controlOf('application', line.name);
  const to = runner === 'flink' ? 'embedded' : 'flink';
  const off = locked.value || control.value.pending;
  const ask = () => run(control, `What a move of ${line.name} means is shown.`, async () => setPlan(await orders.planMove(to, line.name)));
  const go = () => {
    setPlan(null);
    void run(control, `${line.name} moves to ${named(to)}.`, () => orders.move(to, line.name));
  };
  return plan ? (
    <div class="confirm" role="alertdialog" aria-label={`Move ${line.name} to ${named(to)}?`} data-testid="move-confirm">
      <p>
        Move {line.name} to {named(to)}? Times are in {zone()}.
      </p>
      <Plan plan={plan} />
      <button type="button" class="button button-strong" autofocus disabled={off} onClick={go} data-testid="move-yes">
        Move
      </button>
      <button type="button" class="button" onClick={() => setPlan(null)}>
        Cancel
      </button>
    </div>
  ) : (
    <div class="stepper-row">
      <button type="button" class="button" disabled={off || line.state !== 'running'} onClick={() => void ask()} data-testid="application-move">
        Move to {named(to)}…
      </button>
    </div>
  );
}
