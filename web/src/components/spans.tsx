// Buttons that say how far back to look.

const SPANS: [number, string][] = [
  [900, '15 min'],
  [3_600, '1 h'],
  [86_400, '24 h'],
  [604_800, '7 d'],
];

interface Props {
  id: string;
  value: number;
  look: (seconds: number) => void;
  /** How far back the longest of them goes; to the last of all where it is not given. */
  most?: number;
}

export function Spans({ id, value, look, most = Infinity }: Props) {
  return (
    <div class="spans" role="group" aria-label="How far to look back">
      {SPANS.filter(([seconds]) => seconds <= most).map(([seconds, name]) => (
        <button key={seconds} type="button" class="button" aria-pressed={value === seconds} onClick={() => look(seconds)} data-testid={`${id}-${seconds}`}>
          {name}
        </button>
      ))}
    </div>
  );
}
