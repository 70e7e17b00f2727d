// Where the page begins.
import { render } from 'preact';
import { App } from './app';
import { followApplications } from './applications';
import { connect } from './live';
import { loadPlaces } from './map/places';
import { followAddress } from './page';
import { follow } from './results';
import { followStreams } from './streams';
import { applyTheme } from './theme';
import { followTimeline } from './timeline';

applyTheme();
followAddress();
follow();
followStreams();
followApplications();
followTimeline();
connect();
void loadPlaces();

const page = document.getElementById('page');
if (page) render(<App />, page);
