// Where the page begins.
import { render } from 'preact';
import { App } from './app';
import { connect } from './live';
import { loadPlaces } from './map/places';
import { followAddress } from './page';
import { follow } from './results';
import { whoLooks } from './session';
import { applyTheme } from './theme';

applyTheme();
followAddress();
void whoLooks();
follow();
connect();
void loadPlaces();

const page = document.getElementById('page');
if (page) render(<App />, page);
