// The operators of an application as a graph: who reads whom, how fast, and who holds up whom. The table below says the same.
import type { OperatorUse } from '../api';
import { percent, rate } from '../format';
import { BOX, layout, line } from '../graph';
import { watermark } from '../watermark';
import type { Mood } from './stage';

/** From which share of the time on an operator counts as near its limit, and at it. */
const BUSY_WARN = 0.75;
const BUSY_BAD = 0.95;
/** From which share of the time on waiting for others counts as being held up. */
const HELD_WARN = 0.1;

export function moodOfBusy(operator: OperatorUse): Mood {
  if (operator.busy_most >= BUSY_BAD) return 'bad';
  return operator.busy_most >= BUSY_WARN ? 'warn' : 'good';
}

/** Whether it waits for those who read it. */
export const isHeldUp = (operator: OperatorUse): boolean => operator.backpressured >= HELD_WARN;

function Card({ operator, x, y }: { operator: OperatorUse; x: number; y: number }) {
  const held = isHeldUp(operator);
  return (
    <li class="operator" data-mood={moodOfBusy(operator)} data-held={held} style={{ left: `${x}px`, top: `${y}px`, width: `${BOX.width}px`, height: `${BOX.height}px` }} data-testid="operator">
      <strong class="operator-name" title={operator.name}>
        {operator.name}
      </strong>
      <span class="operator-rates">
        {rate(operator.records_in_per_s)} → {rate(operator.records_out_per_s)} rows/s <small>× {operator.subtasks}</small>
      </span>
      <span class="operator-bar" aria-hidden="true">
        <span class="operator-busy" style={{ width: `${operator.busy * 100}%` }} />
        <span class="operator-held" style={{ width: `${Math.min(1 - operator.busy, operator.backpressured) * 100}%` }} />
      </span>
      <span class="operator-words">
        {percent(operator.busy)} busy{held && `, ${percent(operator.backpressured)} held up`}
      </span>
      <span class="operator-words" title={operator.hold ?? undefined}>
        {watermark(operator.watermark_ms)}
      </span>
    </li>
  );
}

export function OperatorGraph({ operators }: { operators: OperatorUse[] }) {
  const { boxes, width, height } = layout(operators.map((operator) => operator.inputs));
  return (
    <div class="graph" tabIndex={0} role="region" aria-label="Graph of operators" data-testid="graph">
      <div class="graph-inner" style={{ width: `${width}px`, height: `${height}px` }}>
        <svg width={width} height={height} aria-hidden="true">
          <defs>
            <marker id="arrow" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="7" markerHeight="7" orient="auto">
              <path d="M0 0 8 4 0 8z" />
            </marker>
          </defs>
          {operators.flatMap((operator, to) =>
            operator.inputs.map((from) => {
              const [left, right] = [boxes[from], boxes[to]];
              const source = operators[from];
              return left && right && source ? <path key={`${from}-${to}`} class="edge" data-held={isHeldUp(source)} d={line(left, right)} marker-end="url(#arrow)" /> : null;
            }),
          )}
        </svg>
        <ul>
          {operators.map((operator, at) => {
            const box = boxes[at];
            return box && <Card key={operator.name} operator={operator} x={box.x} y={box.y} />;
          })}
        </ul>
      </div>
    </div>
  );
}
