// A moment of the wall clock, in the time zone of whoever reads it: unlike event time, which has none.
const format = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' });

export function Instant({ ms }: { ms: number }) {
  const date = new Date(ms);
  return <time dateTime={date.toISOString()}>{format.format(date)}</time>;
}
