// The page: header, pipeline, map, and the numbers beside it.
import { Airports } from './components/airports';
import { AlarmView } from './components/alarm-view';
import { ApplicationView } from './components/application-view';
import { Banner } from './components/banner';
import { Header } from './components/header';
import { Hours } from './components/hours';
import { MapPanel } from './components/map-panel';
import { Pipeline } from './components/pipeline';
import { TopAreas } from './components/top-areas';
import { ScalingView } from './components/scaling-view';
import { TimelineView } from './components/timeline-view';
import { Totals } from './components/totals';
import { announcement } from './controls';
import { onlyLooks } from './session';
import { connection } from './live';
import { shownPage } from './page';
import { StreamView } from './components/stream-view';

/** Leads the focus to what the page is about. The address stays: it tells the page, and what is chosen on it. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById('content')?.focus();
}

export function App() {
  return (
    <div class="page" data-connection={connection.value} data-testid="page">
      <a class="skip" href="#content" onClick={skip}>
        Skip to the content
      </a>
      <Header />
      <Banner />
      {onlyLooks.value && (
        <p class="only-looks" role="note" data-testid="only-looks">
          {onlyLooks.value}
        </p>
      )}
      <Pipeline />
      {shownPage.value === 'streams' && <StreamView />}
      {shownPage.value === 'applications' && <ApplicationView />}
      {shownPage.value === 'scaling' && <ScalingView />}
      {shownPage.value === 'alarms' && <AlarmView />}
      {shownPage.value === 'timeline' && <TimelineView />}
      {shownPage.value === 'results' && (
        <main class="results" id="content" tabIndex={-1}>
          <MapPanel />
          <div class="rail">
            <Totals />
            <Airports />
            <Hours />
            <TopAreas />
          </div>
        </main>
      )}
      <p class="visually-hidden" role="status" aria-live="polite" data-testid="announcement">
        {announcement.value}
      </p>
    </div>
  );
}
