// From one thing to another of its kind: what was asked, typed, refused or kept of the first is never told of the second.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overConsole } from './fixture.mjs';
import { byId, says } from './page.mjs';

const over = overConsole('#applications');

/** Answers with what the fixture says, changed by `change`. */
const changed = (page, path, change) =>
  page.route(path, async (route) => {
    const asked = new URL(route.request().url()).searchParams;
    const response = await route.fetch({ url: route.request().url().replace('billing', 'taxi') });
    await route.fulfill({ response, json: change(await response.json(), asked.get('application') ?? asked.get('name')) });
  });

/** Beside the fixture's application another one, `billing`, that is like it; `names` tells which of them there are. */
async function withBilling(page, names = ['taxi', 'billing']) {
  await changed(page, '**/api/applications', ({ applications: [taxi] }) => ({ applications: names.map((name) => ({ ...taxi, name })) }));
  await changed(page, '**/api/applications/view?*', (view, name) => ({ ...view, line: { ...view.line, name } }));
  await changed(page, '**/api/application/describe?*', (detail, name) => ({ ...detail, name }));
  await byId(page, 'application-line').nth(names.length - 1).waitFor();
  return names;
}

const overBoth = (act) =>
  over('known', async ({ page, errors }) => {
    const names = await withBilling(page);
    await says(page, 'application-view-title', 'taxi');
    await act({ page, errors, names });
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  });

async function goTo(page, name) {
  await byId(page, 'application-line').filter({ hasText: name }).click();
  await says(page, 'application-view-title', name);
}

test('snapshots of one application are not told of another, also while two lists are open', () =>
  overBoth(async ({ page, errors }) => {
    let answer;
    const held = new Promise((resolve) => (answer = resolve));
    await page.route('**/api/application/snapshots*', async (route) => {
      const name = new URL(route.request().url()).searchParams.get('application') ?? 'taxi';
      if (name === 'billing') await held;
      await route.fulfill({ json: { snapshots: [{ name: `of-${name}`, created_ms: 1_452_070_800_000, bytes: 6_000_000 }] } });
    });
    const list = byId(page, 'applications').getByTestId('snapshot');
    await goTo(page, 'billing');
    assert.deepEqual(await list.allTextContents(), [], 'nothing is known of it yet');
    await goTo(page, 'taxi');
    await list.filter({ hasText: 'of-taxi' }).waitFor();
    await goTo(page, 'billing');
    assert.deepEqual(await list.allTextContents(), [], 'what is known is of another application');
    answer();
    await list.filter({ hasText: 'of-billing' }).waitFor();
    await byId(page, 'snapshots-open').click();
    await says(page, 'snapshots-dialog', /Snapshots of taxi.*of-taxi/);
    await byId(page, 'snapshots-dialog').getByLabel('Name').fill('mine');
    await page.keyboard.press('Escape');
    assert.match((await list.allTextContents()).join(), /^of-billing/);
    await byId(page, 'applications').getByLabel('Name').fill('of-it');
    assert.deepEqual(errors, []);
  }));

test('whoever comes back before the other was known finds all of it again', () =>
  overBoth(async ({ page, errors }) => {
    await says(page, 'version', /^version 3/);
    await page.route('**/api/application/operations?application=billing', async (route) => {
      await page.waitForTimeout(1_000);
      await route.fulfill({ json: { operations: [] } });
    });
    await goTo(page, 'billing');
    assert.equal(await byId(page, 'version').count(), 0);
    await goTo(page, 'taxi');
    await says(page, 'version', /^version 3/);
    await byId(page, 'log-line').nth(4).waitFor();
    await byId(page, 'script-open').waitFor();
    assert.deepEqual(errors, []);
  }));

test('a confirmation and a number that was typed are for the application that they were asked for', () =>
  overBoth(async ({ page, errors, names }) => {
    await byId(page, 'application-stop').click();
    await byId(page, 'view-parallelism').fill('7');
    await says(page, 'stop-confirm', /Stop taxi\?/);
    await goTo(page, 'billing');
    assert.equal(await byId(page, 'stop-confirm').count(), 0);
    assert.equal(await byId(page, 'view-parallelism-set').count(), 0);
    await byId(page, 'application-stop').click();
    await byId(page, 'view-parallelism').fill('7');
    names.pop();
    await says(page, 'application-view-title', 'taxi');
    assert.equal(await byId(page, 'stop-confirm').count(), 0, 'what was asked for is gone, and another one is shown');
    assert.equal(await byId(page, 'view-parallelism-set').count(), 0);
    assert.deepEqual(errors, []);
  }));

test('going back is confirmed for the version that was shown', () =>
  overBoth(async ({ page, errors }) => {
    await byId(page, 'rollback').click();
    await says(page, 'rollback-confirm', /Take version 3 back\?/);
    await changed(page, '**/api/application/describe?*', (detail) => ({ ...detail, version: 4 }));
    await changed(page, '**/api/application/operations?*', ({ operations: [newest, ...rest] }) => ({ operations: [{ ...newest, id: 'another' }, newest, ...rest] }));
    await says(page, 'version', /^version 4/);
    assert.equal(await byId(page, 'rollback-confirm').count(), 0);
    assert.deepEqual(errors, []);
  }));

test('a change of shards is confirmed for the stream that it was asked for', () =>
  over(
    'known',
    async ({ page, errors }) => {
      const names = ['trips', 'weather'];
      await changed(page, '**/api/streams?*', (all) => ({ ...all, streams: all.streams.filter(({ name }) => names.includes(name)) }));
      const line = (name) => byId(page, 'stream-line').filter({ hasText: name });
      const split = page.getByRole('button', { name: 'Split shard 1' });
      await line('weather').click();
      await page.getByRole('heading', { name: 'weather', exact: true }).waitFor();
      await split.click();
      await line('trips').click();
      await page.getByRole('heading', { name: 'trips', exact: true }).waitFor();
      assert.equal(await byId(page, 'confirm').count(), 0);
      await line('weather').click();
      await page.getByRole('heading', { name: 'weather', exact: true }).waitFor();
      await split.click();
      names.pop();
      await page.getByRole('heading', { name: 'trips', exact: true }).waitFor();
      assert.equal(await byId(page, 'confirm').count(), 0, 'what was asked for is gone, and another one is shown');
      assert.deepEqual(errors, []);
      await page.unrouteAll({ behavior: 'ignoreErrors' });
    },
    { hash: '#streams' },
  ));

test('what was refused of one thing is not told of another', async () => {
  await overBoth(async ({ page }) => {
    await byId(page, 'view-parallelism').fill('200');
    await byId(page, 'view-parallelism-set').click();
    await says(page, 'application-view-error', '200 subtasks need more than 32 KPUs');
    await goTo(page, 'billing');
    assert.equal(await byId(page, 'application-view-error').count(), 0);
    await goTo(page, 'taxi');
    await says(page, 'application-view-error', '200 subtasks need more than 32 KPUs');
  });
  await over(
    'known',
    async ({ page }) => {
      await page.route('**/api/streams/count', (route) => route.fulfill({ status: 409, json: { error: { message: 'not now' } } }));
      await page.getByRole('heading', { name: 'trips', exact: true }).waitFor();
      await byId(page, 'view-shards-double').click();
      await says(page, 'stream-view-error', 'not now');
      await byId(page, 'stream-line').filter({ hasText: 'weather' }).click();
      await page.getByRole('heading', { name: 'weather', exact: true }).waitFor();
      assert.equal(await byId(page, 'stream-view-error').count(), 0);
    },
    { hash: '#streams' },
  );
  await over(
    'known',
    async ({ page }) => {
      await page.route('**/api/alarms/actions', (route) => route.fulfill({ status: 409, json: { error: { message: 'not now' } } }));
      await byId(page, 'alarm-actions').click();
      await says(page, 'alarm-error', 'not now');
      await byId(page, 'alarm-line').nth(2).click();
      await says(page, 'alarm-state', 'OK');
      assert.equal(await byId(page, 'alarm-error').count(), 0);
    },
    { hash: '#alarms' },
  );
});
