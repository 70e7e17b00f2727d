// Controls: orders reach the platform, their outcome shows, refusals are told in the platform's words.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, startBrowser, startConsole } from './fixture.mjs';
import { byId, hasRows, platform, says } from './page.mjs';

let served, failing, started, page;

before(async () => {
  served = await startConsole('known');
  failing = await startConsole('failing');
  started = await startBrowser();
  ({ page } = await openPage(started.browser, served.url));
});
after(async () => {
  await started?.stop();
  await served?.stop();
  await failing?.stop();
});

test('the replay stops and goes on', async () => {
  await says(page, 'replay-switch', 'Stop');
  await byId(page, 'replay-switch').click();
  await says(page, 'replay-state', 'paused');
  assert.equal((await platform(served.url)).replay.state, 'paused');
  await says(page, 'announcement', 'The replay stops.');
  await says(page, 'replay-switch', 'Continue');
  await byId(page, 'replay-switch').click();
  await says(page, 'replay-state', 'running');
});

test('the speed is doubled, typed, and let go', async () => {
  await byId(page, 'speedup-double').click();
  await page.waitForFunction(() => document.getElementById('speedup').value === '7,200');
  assert.equal((await platform(served.url)).replay.speedup, 7200);
  await byId(page, 'speedup').fill('1000');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.getElementById('speedup').value === '1,000');
  assert.equal((await platform(served.url)).replay.speedup, 1000);
  await byId(page, 'speedup-max').click();
  await page.waitForFunction(() => document.getElementById('speedup').value === '');
  assert.equal((await platform(served.url)).replay.speedup, null);
});

test('the shard count is doubled, and the control waits until the stream is done', async () => {
  await byId(page, 'shard-count-double').click();
  await says(page, 'stream-state', 'resharding');
  assert.equal(await byId(page, 'shard-count-double').isDisabled(), true);
  await says(page, 'stream-shards', '8');
  assert.equal((await platform(served.url)).stream.open_shards, 8);
  await byId(page, 'shard-count-halve').click();
  await says(page, 'stream-shards', '4');
});

test('the watermark is told operator by operator', async () => {
  await byId(page, 'application-watermark').getByRole('button').click();
  const shard = 'trips, shard 2: nothing has come for 3.1 s; it is set aside after 5.0 s';
  await hasRows(page, 'operators', [
    ['source trips', '10:00:00', '10:00:00', shard],
    ['window aggregate 2', '10:00:00', '10:00:00', shard],
    ['sink pickup_count', '09:50:00', '09:50:00', `sink pickup_count waits for rows before it, 600.0 s behind what comes to it; ${shard}`],
  ]);
  await page.keyboard.press('Escape');
});

test('late rows are told window by window', async () => {
  await byId(page, 'application-late').getByRole('button').click();
  await says(page, 'late-dialog', /3 so far, kept in the stream taxi-late/);
  await hasRows(page, 'late-windows', [['Wed 6 Jan 2016 09:00:00', '2'], ['Wed 6 Jan 2016 08:00:00', '1']]);
  await page.keyboard.press('Escape');
});

test('a snapshot is taken, refused twice under one name, gone back to and removed', async () => {
  await byId(page, 'snapshots-open').click();
  await says(page, 'snapshots-dialog', /None was taken yet/);
  await page.getByLabel('Name').fill('before');
  await byId(page, 'snapshot-take').click();
  await says(page, 'snapshot', /^before.*:00:00.*6.0 MB/);
  await page.getByLabel('Name').fill('before');
  await byId(page, 'snapshot-take').click();
  await says(page, 'snapshots-error', 'there is a snapshot before already');
  await page.getByRole('button', { name: 'Go back to before' }).click();
  await byId(page, 'snapshot-yes').click();
  await says(page, 'announcement', 'The application goes on from before.');
  await page.getByRole('button', { name: 'Remove before' }).click();
  await byId(page, 'snapshot-yes').click();
  await says(page, 'snapshots-dialog', /None was taken yet/);
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('[data-testid="snapshots-dialog"]').open === false);
});

test('the parallelism is doubled, typed, and refused in the platform\'s words', async () => {
  await byId(page, 'parallelism-double').click();
  await page.waitForFunction(() => document.getElementById('parallelism').value === '8');
  assert.equal((await platform(served.url)).application.parallelism, 8);
  await byId(page, 'parallelism').fill('3');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.getElementById('parallelism').value === '3');
  await byId(page, 'parallelism').fill('200');
  await byId(page, 'parallelism-set').click();
  await says(page, 'parallelism-error', '200 subtasks need more than 32 KPUs');
  assert.equal((await platform(served.url)).application.parallelism, 3);
});

test('what the platform refuses is told in its words', async () => {
  await byId(page, 'shard-count').fill('9');
  await byId(page, 'shard-count-set').click();
  await says(page, 'shards-error', '9 shards are more than double the present 4: take several steps');
  assert.equal((await platform(served.url)).stream.open_shards, 4);
});

test('a number that is none is not sent', async () => {
  for (const wrong of ['0', '-3', '1.5', 'many', '99999', '']) {
    await byId(page, 'shard-count').fill(wrong);
    assert.equal(await byId(page, 'shard-count-set').isDisabled(), true, wrong);
  }
  await page.keyboard.press('Escape');
  assert.equal(await byId(page, 'shard-count').inputValue(), '4');
});

test('a failing platform says so everywhere, and the page stays', async () => {
  await page.close();
  ({ page } = await openPage(started.browser, failing.url));
  await says(page, 'replay-state', 'failed');
  await says(page, 'application-state', 'failed');
  await says(page, 'application-error', /disk is full/);
  await says(page, 'trouble', /the index is closed: its disk is full/);
  await byId(page, 'replay-switch').click();
  await says(page, 'replay-error', 'the stream is on a full disk and takes no control <b>until</b> there is room');
});
