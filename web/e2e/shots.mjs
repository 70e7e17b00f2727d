// Takes a picture of every state of the page: `npm run shots -- FOLDER [MODE…]`.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { openPage, startBrowser, startConsole } from './fixture.mjs';

const [folder = 'shots', ...chosen] = process.argv.slice(2);
const modes = chosen.length ? chosen : ['much', 'known', 'empty', 'bare', 'hostile', 'failing'];
const shapes = { wide: { width: 1600, height: 1000 }, narrow: { width: 400, height: 850 } };

mkdirSync(folder, { recursive: true });
const { browser, stop } = await startBrowser();
for (const mode of modes) {
  const console_ = await startConsole(mode);
  for (const [shape, size] of Object.entries(shapes)) {
    for (const scheme of ['light', 'dark']) {
      for (const hash of ['', '#streams', '#applications', '#scaling', '#alarms', '#timeline']) {
        const { page, errors } = await openPage(browser, `${console_.url}/${hash}`, { ...size, scheme });
        await wait(mode === 'much' ? 9_000 : 3_500);
        const keys = page.getByRole('button', { name: /Heaviest keys/ }).first();
        if (hash && (await keys.count()) > 0) {
          await keys.click();
          await wait(500);
        }
        await page.screenshot({ path: join(folder, `${mode}${hash.replace('#', '-')}-${shape}-${scheme}.png`), fullPage: hash !== '' || shape === 'narrow' });
        if (errors.length) console.log(mode, shape, scheme, errors);
        await page.close();
      }
    }
  }
  await console_.stop();
}
await stop();
