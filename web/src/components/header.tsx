// The header: name, clock of event time, range, connection, theme.
import icon from '../icon.svg?url';
import { day, isTime, time } from '../format';
import { type Connection, connection, pipeline } from '../live';
import { available } from '../results';
import { PAGES, shownPage } from '../page';
import { theme, toggleTheme } from '../theme';
import { Person } from './person';
import { RangePicker } from './range-picker';

/** Event time as far as it is known: where the replay is, else how far the application has seen, else the last result. */
function eventTime(): number | null {
  const now = pipeline.value;
  const known = [now?.replay?.position_ms, now?.application?.watermark_ms, available.value?.to_ms];
  return known.find(isTime) ?? null;
}

function Clock() {
  const now = eventTime();
  return (
    <p class="clock" data-testid="clock">
      {now !== null && <span class="clock-label">Event time</span>}
      <span class="clock-day">{now === null ? 'No event time yet' : day(now)}</span>
      {now !== null && (
        <time class="clock-time" dateTime={new Date(now).toISOString()}>
          {time(now, true)}
        </time>
      )}
    </p>
  );
}

const CONNECTIONS: Record<Connection, string> = { connecting: 'Connecting', live: 'Live', lost: 'Disconnected' };

export function Header() {
  const other = theme.value === 'dark' ? 'light' : 'dark';
  return (
    <header class="header">
      <h1 class="brand">
        <img src={icon} alt="" width="28" height="28" />
        Hailstream
      </h1>
      <nav class="page-tabs" aria-label="Pages">
        {PAGES.map(({ page, hash, title }) => (
          <a key={page} href={hash} aria-current={shownPage.value === page ? 'page' : undefined} data-testid={`tab-${page}`}>
            {title}
          </a>
        ))}
      </nav>
      <Clock />
      <div class="header-tools">
        <span class="connection" data-state={connection.value} data-testid="connection" role="status">
          <span class="dot" aria-hidden="true" />
          {CONNECTIONS[connection.value]}
        </span>
        <RangePicker />
        <Person />
        <button type="button" class="icon-button" onClick={toggleTheme} aria-label={`Switch to ${other} colours`} title={`Switch to ${other} colours`} data-testid="theme">
          <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
            <circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-width="1.6" />
            <path d="M10 3a7 7 0 0 1 0 14z" fill="currentColor" />
          </svg>
        </button>
      </div>
    </header>
  );
}
