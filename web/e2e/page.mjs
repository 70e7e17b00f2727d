// Reading the page as its readers do: by test ids, tables and roles.
import assert from 'node:assert/strict';

export const byId = (page, id) => page.getByTestId(id);

/** Waits until an element says `text`. */
export async function says(page, id, text) {
  const element = byId(page, id).first();
  await element.waitFor({ state: 'attached', timeout: 15_000 });
  let seen = '';
  for (let i = 0; i < 150; i++) {
    seen = ((await element.textContent()) ?? '').trim();
    if (text instanceof RegExp ? text.test(seen) : seen === text) return;
    await page.waitForTimeout(100);
  }
  assert.fail(`${id} says “${seen}”, not “${text}”`);
}

/** The rows of a table's body, each as the texts of its cells. */
export function rows(page, id) {
  return byId(page, id).locator('tbody tr').evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.textContent.trim())));
}

/** Waits until a table has these rows; of each row only as many cells as are given. */
export async function hasRows(page, id, expected, pick = (row) => row) {
  let seen = [];
  for (let i = 0; i < 150; i++) {
    seen = (await rows(page, id)).map(pick);
    if (JSON.stringify(seen) === JSON.stringify(expected)) return;
    await page.waitForTimeout(100);
  }
  assert.deepEqual(seen, expected, id);
}

/** What the platform itself says, past the page. */
export async function platform(url) {
  return (await fetch(`${url}/api/pipeline`)).json();
}
