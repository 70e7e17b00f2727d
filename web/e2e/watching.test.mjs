// The pages of alarms and of scaling: what rings stands first, decisions tell how they came about, rules are switched.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overConsole } from './fixture.mjs';
import { byId, says } from './page.mjs';

const looked = overConsole();
const over = (mode, hash, act, shape = {}) => looked(mode, act, { hash, ...shape });

const texts = (page, id) => byId(page, id).evaluateAll((all) => all.map((element) => element.textContent.trim()));

test('alarms that ring stand first, and the chosen one is drawn against its threshold', () =>
  over('known', '#alarms', async ({ page, errors }) => {
    await says(page, 'alarm-state', 'alarm');
    assert.deepEqual(await texts(page, 'alarm-line'), ['lagalarm', 'checkpoints-failtoo little data', 'throttled-writesOK']);
    await says(page, 'alarm-reason', /74,000 > 60,000/);
    await says(page, 'alarm-numbers-0', '240');
    await byId(page, 'alarms').locator('canvas').first().waitFor();
    await byId(page, 'alarm-line').nth(2).click();
    await says(page, 'alarm-state', 'OK');
    await byId(page, 'alarm-actions').click();
    await says(page, 'announcement', 'Actions of throttled-writes are on.');
    assert.deepEqual(errors, []);
  }));

test('decisions stand on the axis of load, lag and size, and tell how they were computed', () =>
  over('known', '#scaling', async ({ page, errors }) => {
    await byId(page, 'decision').first().waitFor();
    await says(page, 'scaling-load-0', '13,000');
    await says(page, 'scaling-lag-0', '240 ms');
    await says(page, 'scaling-size-0', '16');
    assert.equal(await page.locator('[data-testid=scaling-marks] button').count(), 4);
    assert.equal(await byId(page, 'decision-inputs').count(), 0);
    await page.getByRole('button', { name: /application\/taxi from parallelism 1 to 4/ }).click();
    await says(page, 'decision-inputs', /D = 13,000 \/ 0\.85.*backlog240,000/s);
    const [refused, , , dry] = await texts(page, 'decision');
    assert.match(refused, /not done.*One key has 61 % of the records/);
    assert.match(dry, /dry run.*−0\.03 USD\/h/);
    assert.deepEqual(errors, []);
  }));

test('what is opened of a decision stays open when another one is made', () =>
  over('known', '#scaling', async ({ page, errors }) => {
    await byId(page, 'decision-more').nth(1).click();
    await says(page, 'decision-inputs', /D = 13,000/);
    await page.route('**/api/scaling?*', async (route) => {
      const response = await route.fetch();
      const told = await response.json();
      const newest = { ...told.decisions[0], at_ms: told.decisions[0].at_ms + 60_000, what: 'to parallelism 5' };
      await route.fulfill({ response, json: { ...told, decisions: [newest, ...told.decisions] } });
    });
    await byId(page, 'decision').nth(4).waitFor();
    assert.equal(await byId(page, 'decision-inputs').count(), 1);
    assert.match(await byId(page, 'decision').nth(2).textContent(), /from parallelism 1 to 4.*D = 13,000/);
    await page.getByRole('button', { name: /stream\/trips from 4 to 16 shards/ }).click();
    await says(page, 'decision-inputs', /at most 4 times as many/);
    assert.deepEqual(errors, []);
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  }));

test('a rule is switched, and a refusal is told in the words of the platform', () =>
  over('known', '#scaling', async ({ page }) => {
    const [taxi, orders] = [byId(page, 'rule').nth(0), byId(page, 'rule').nth(1)];
    assert.equal(await taxi.getByTestId('rule-on').getAttribute('aria-pressed'), 'true');
    await taxi.getByTestId('rule-dry_run').click();
    await says(page, 'announcement', 'application/taxi: Dry run.');
    await orders.getByTestId('rule-on').click();
    await says(page, 'rules-error', 'stream/orders is being resharded; wait until it is ACTIVE');
  }));

test('hostile words are text, what is not there has words, failures are told', async () => {
  for (const hash of ['#alarms', '#scaling']) {
    await over('hostile', hash, async ({ page, errors }) => {
      await byId(page, hash === '#alarms' ? 'alarm-view' : 'decision').first().waitFor();
      assert.deepEqual(errors, []);
    });
  }
  await over('bare', '#alarms', ({ page }) => says(page, 'alarms', /No alarm yet/));
  await over('bare', '#scaling', ({ page }) => says(page, 'scaling', /Nothing was measured yet.*Nothing was decided yet.*No rule scales/s));
  await over('failing', '#alarms', ({ page }) => says(page, 'alarms-trouble', /.+/));
});

test('a narrow window holds both pages', async () => {
  for (const hash of ['#alarms', '#scaling']) {
    await over(
      'much',
      hash,
      async ({ page }) => {
        await byId(page, hash === '#alarms' ? 'alarm-view' : 'decision').first().waitFor();
        const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(inner <= outer, `${hash}: ${inner} > ${outer}`);
      },
      { width: 400, height: 850 },
    );
  }
});

test('an address names an alarm, and says so where there is none', async () => {
  await over('known', '#alarms/throttled-writes', async ({ page }) => {
    await says(page, 'alarm-state', 'OK');
    assert.equal(await byId(page, 'alarm-line').nth(2).getAttribute('aria-pressed'), 'true');
    await byId(page, 'alarm-line').nth(0).click();
    await says(page, 'alarm-state', 'alarm');
    assert.equal(new URL(page.url()).hash, '#alarms/lag');
    await page.goBack();
    await says(page, 'alarm-state', 'OK');
  });
  await over('known', '#alarms/gone', async ({ page }) => {
    await says(page, 'absent', 'There is no alarm gone.');
    await says(page, 'alarm-state', 'alarm');
  });
});
