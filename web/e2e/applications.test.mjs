// The page of applications: the graph of operators and the same as a table, controls, snapshots of the one that is chosen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overConsole } from './fixture.mjs';
import { byId, rows, says } from './page.mjs';

const over = overConsole('#applications');

test('operators are drawn behind those whose rows they read, the narrow one marked, and told as a table', () =>
  over('known', async ({ page, errors }) => {
    await says(page, 'application-view-state', 'running');
    await says(page, 'view-records-out', '314/s');
    const boxes = await byId(page, 'operator').evaluateAll((all) => all.map((box) => [box.querySelector('strong').textContent, box.offsetLeft, box.dataset.mood, box.dataset.held]));
    assert.deepEqual(
      boxes.map(([name, , mood, held]) => [name, mood, held]),
      [
        ['source trips', 'good', 'true'],
        ['window aggregate 2', 'good', 'false'],
        ['window aggregate 5', 'good', 'false'],
        ['sink pickup_count', 'bad', 'false'],
        ['sink trip_duration', 'good', 'false'],
      ],
    );
    const [source, aggregate, other, sink] = boxes.map(([, left]) => left);
    assert.ok(source < aggregate && aggregate === other && aggregate < sink, String(boxes));
    const table = await rows(page, 'operator-use');
    assert.deepEqual(table[3].slice(0, 5), ['sink pickup_count', '310', '310', '97 % (most 97 %)', '0 %']);
    await says(page, 'view-state', '48.0 MB· 1.1 % of the budget');
    assert.deepEqual(errors, []);
  }));

test('a stop waits for a second click, a refusal is told in the words of the platform', () =>
  over('known', async ({ page }) => {
    await byId(page, 'application-stop').click();
    await says(page, 'stop-confirm', /Stop taxi\? What it has come to is kept/);
    await byId(page, 'stop-yes').click();
    await says(page, 'announcement', 'taxi is stopped, with a snapshot.');
    await byId(page, 'view-parallelism-double').click();
    await says(page, 'application-view-state', 'running');
    await byId(page, 'snapshot-take').click();
    await byId(page, 'snapshot').first().waitFor();
  }));

test('what a move means is shown before the second click, and a refusal with its reason', async () => {
  await over('known', async ({ page, errors }) => {
    await byId(page, 'application-move').click();
    await says(page, 'move-confirm', /Move taxi to the Flink cluster\?/);
    await says(page, 'move-plan', /at .*07:15:30.* of event time or later/);
    await says(page, 'move-plan', /Table zones is read again from its oldest record on/);
    await says(page, 'move-plan', /Open windows of 1 operator and all later ones go into pickup_count, trip_duration/);
    await byId(page, 'move-yes').click();
    await says(page, 'announcement', 'taxi moves to the Flink cluster.');
    await says(page, 'application-runner', /Runs on an Apache Flink cluster/);
    await says(page, 'application-move', 'Move to this platform…');
    assert.deepEqual(errors, []);
  });
  await over('hostile', async ({ page, errors }) => {
    await byId(page, 'application-move').click();
    await byId(page, 'move-plan').waitFor();
    assert.equal(await page.evaluate(() => window.broken), undefined);
    assert.deepEqual(errors, []);
  });
  await over('much', async ({ page }) => {
    await byId(page, 'application-move').click();
    await says(page, 'application-view-error', /table results has no PRIMARY KEY/);
  });
});

test('the log is told newest first and by how bad its lines are', () =>
  over('known', async ({ page, errors }) => {
    await byId(page, 'log-line').nth(4).waitFor();
    assert.match(await byId(page, 'log-line').first().textContent(), /INFOit runs, with parallelism 2$/);
    await byId(page, 'log-level').selectOption('WARN');
    assert.deepEqual(
      await byId(page, 'log-line').evaluateAll((all) => all.map((line) => line.querySelector('.pill').textContent)),
      ['ERROR', 'WARN'],
    );
    await byId(page, 'log-level').selectOption('ERROR');
    assert.match(await byId(page, 'log').textContent(), /the index has no room$/);
    assert.deepEqual(errors, []);
  }));

test('of a long log the latest lines are kept, and each is told once', () =>
  over('much', async ({ page }) => {
    await byId(page, 'log-line').nth(499).waitFor();
    await page.waitForTimeout(5_000);
    assert.equal(await byId(page, 'log-line').count(), 500);
  }));

test('operations are told with their versions, and going back to the version before waits for a second click', () =>
  over('known', async ({ page, errors }) => {
    await says(page, 'version', /^version 3, since /);
    const before = await rows(page, 'operations');
    assert.deepEqual(before.map((row) => row.slice(1, 5)), [
      ['UpdateApplication', 'successful', '1.8 s', '2 → 3'],
      ['UpdateApplication', 'successful', '1.8 s', '1 → 2'],
      ['StartApplication', 'successful', '1.8 s', '–'],
    ]);
    await byId(page, 'rollback').click();
    await says(page, 'rollback-confirm', /Take version 3 back\?/);
    await byId(page, 'rollback-yes').click();
    await says(page, 'announcement', 'taxi goes back to the version before.');
    await says(page, 'version', /^version 4, since /);
    assert.equal((await rows(page, 'operations'))[0][1], 'RollbackApplication');
    assert.deepEqual(errors, []);
  }));

test('the script, which may be long, is asked for anew only when something was done with the application', () =>
  over('known', async ({ page, errors }) => {
    await says(page, 'version', /^version 3, since /);
    const asked = { describe: 0, operations: 0 };
    page.on('request', (request) => {
      const [, kind] = /application\/(describe|operations)\?/.exec(request.url()) ?? [];
      if (kind) asked[kind] += 1;
    });
    while (asked.operations < 3) await page.waitForTimeout(200);
    assert.equal(asked.describe, 0);
    await byId(page, 'rollback').click();
    await byId(page, 'rollback-yes').click();
    await says(page, 'version', /^version 4, since /);
    assert.equal(asked.describe, 1);
    assert.deepEqual(errors, []);
  }));

test('properties and the script open by a click', () =>
  over('known', async ({ page }) => {
    await byId(page, 'properties-open').click();
    assert.deepEqual(await rows(page, 'properties'), [['FlinkApplicationProperties', 'stream', 'trips']]);
    assert.equal(await byId(page, 'script').isVisible(), false);
    await byId(page, 'script-open').click();
    assert.match(await byId(page, 'script').textContent(), /WITH \('stream' = '\$\{stream\}'\);$/);
  }));

test('sources tell how they read and sinks how they write', () =>
  over('known', async ({ page }) => {
    await byId(page, 'operator').first().waitFor();
    const told = (await rows(page, 'operator-use')).map((row) => row[5]);
    assert.match(told[0], /^2\.6 MB\/s, 850 ms behind$/);
    assert.deepEqual(told.slice(1), ['–', '–', '640 ms for 1,000 rows, 40/s refused', '12 ms for 1,000 rows']);
  }));

test('an application on a cluster says so and leads there, by a web address alone', async () => {
  await over('much', async ({ page, errors }) => {
    await says(page, 'application-runner', /^Runs on an Apache Flink cluster\. /);
    const link = byId(page, 'application-runner-page');
    assert.match(await link.getAttribute('href'), /^http:\/\/127\.0\.0\.1:8081\/#\/job\//);
    assert.equal(await link.getAttribute('rel'), 'noreferrer');
    assert.deepEqual(errors, []);
  });
  await over('hostile', async ({ page }) => {
    await byId(page, 'application-runner').waitFor();
    assert.equal(await byId(page, 'application-runner-page').count(), 0);
  });
  await over('known', async ({ page }) => {
    await says(page, 'application-view-state', 'running');
    assert.equal(await byId(page, 'application-runner').count(), 0);
  });
});

test('an address names an application, and says so where there is none', async () => {
  await over(
    'known',
    async ({ page }) => {
      await says(page, 'absent', 'There is no application not <b>there</b>.');
      await byId(page, 'application-line').first().click();
      await byId(page, 'absent').waitFor({ state: 'detached' });
      assert.equal(new URL(page.url()).hash, '#applications/taxi');
      await page.goBack();
      await says(page, 'absent', /There is no application/);
    },
    { hash: `#applications/${encodeURIComponent('not <b>there</b>')}` },
  );
  await over(
    'known',
    async ({ page }) => {
      await says(page, 'application-view-state', 'running');
      const { search, hash } = new URL(page.url());
      assert.deepEqual([search, hash], ['', '#applications/taxi'], 'the link of the managed service becomes an address');
    },
    { hash: '?application=taxi' },
  );
  await over('known', async ({ page, errors }) => {
    await says(page, 'application-view-state', 'running');
    assert.deepEqual(errors, [], 'what is no text is no name');
  }, { hash: '#applications/%E0%A4%A' });
});

test('hostile names are text, and nothing runs without words', async () => {
  await over('hostile', async ({ page, errors }) => {
    await byId(page, 'operator').first().waitFor();
    await byId(page, 'log-line').first().waitFor();
    await byId(page, 'script-open').click();
    await byId(page, 'properties-open').click();
    assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
    assert.deepEqual(errors, []);
  });
  await over('bare', async ({ page }) => {
    await says(page, 'applications', /No application yet/);
  });
  await over('empty', async ({ page }) => {
    await says(page, 'applications', /Nothing runs\./);
  });
});

test('in a narrow window the graph scrolls and the page does not', () =>
  over(
    'much',
    async ({ page, errors }) => {
      await byId(page, 'operator').first().waitFor();
      const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(inner <= outer, `${inner} > ${outer}`);
      assert.equal(await byId(page, 'operator').count(), 29);
      assert.deepEqual(errors, []);
    },
    { width: 400, height: 850 },
  ));

test('a program is made an application of: what is wrong is told, what is made is shown', () =>
  over('known', async ({ page, errors }) => {
    await byId(page, 'new-open').click();
    await byId(page, 'new-jar').setInputFiles({ name: 'trip counter.jar', mimeType: 'application/java-archive', buffer: Buffer.from('no jar') });
    assert.equal(await byId(page, 'new-name').inputValue(), 'trip-counter');
    await byId(page, 'new-properties').fill('Input.stream.name = trips\nno property');
    await says(page, 'new-error', 'Line 2 of the properties is not of the form group.name = value.');
    assert.ok(await byId(page, 'new-make').isDisabled());
    await byId(page, 'new-properties').fill('Input.stream.name = trips');
    await byId(page, 'new-make').click();
    await says(page, 'new-error', 'the code is no jar: it does not begin as a zip archive does');
    await byId(page, 'new-jar').setInputFiles({ name: 'counter.jar', mimeType: 'application/java-archive', buffer: Buffer.from('PK and more') });
    assert.equal(await byId(page, 'new-name').inputValue(), 'counter', 'the name follows the file as long as nobody has written one');
    await byId(page, 'new-make').click();
    await says(page, 'new-error', /names no Main-Class/);
    await byId(page, 'new-entry').fill('trip.Main');
    await byId(page, 'new-parallelism').fill('3');
    await byId(page, 'new-make').click();
    await says(page, 'announcement', 'counter is made; start it when you like.');
    await says(page, 'application-view-title', 'counter');
    await says(page, 'application-runner', /^Runs on an Apache Flink cluster/);
    assert.match(await byId(page, 'application-line').nth(1).textContent(), /counterready · parallelism 3/);
    assert.equal(await byId(page, 'new-application').count(), 0, 'the form is put away');
    await says(page, 'program', /^A program of 24\.0 kB, which runs trip\.Main, from arn:aws:s3:::code\/trip\.jar\. SHA-256 0123/);
    const refusals = errors.filter((error) => !/status of 400/.test(error));
    assert.deepEqual(refusals, []);
  }));
