// Orders under way and refusals: each is of one thing, by its kind and name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

const { announcement, controlOf, run } = await load('/src/controls.ts');

test('an order holds up and is refused for the thing that it is about, and for no other', async () => {
  const [taxi, billing, stream] = [controlOf('application', 'taxi'), controlOf('application', 'billing'), controlOf('stream', 'taxi')];
  let refuse;
  const order = run(taxi, 'done', () => new Promise((_, reject) => (refuse = reject)));
  assert.deepEqual([taxi, billing, stream].map((control) => control.value.pending), [true, false, false]);
  refuse(new Error('a fault of the page'));
  await order;
  assert.deepEqual([taxi, billing, stream].map((control) => control.value.error), ['The order could not be sent.', null, null]);
  assert.equal(announcement.value, 'The order could not be sent.');
  assert.equal(controlOf('application', 'taxi'), taxi, 'it is still told when one comes back to it');
});
