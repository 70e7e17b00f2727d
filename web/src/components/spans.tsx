// Buttons that say how far back to look.

export const SPANS: [number, string][] = [
  [900, '15 min'],
  [3_600, '1 h'],
  [86_400, '24 h'],
  [604_800, '7 d'],
];

export function Spans({ id, value, look }: { id: string; value: number; look: (seconds: number) => void }) {
  return (
    <div class="spans" role="group" aria-label="How far to look back">
      {SPANS.map(([seconds, name]) => (
        <button key={seconds} type="button" class="button" aria-pressed={value === seconds} onClick={() => look(seconds)} data-testid={`${id}-${seconds}`}>
          {name}
        </button>
      ))}
    </div>
  );
}
