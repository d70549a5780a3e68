// One visit to the API's reference.

import { play } from './browser.mjs';

/**
 * @typedef {{ do: 'count' }} Count how many operations are listed
 * @typedef {{ do: 'open', name: string }} Open an operation, by its summary; gives its text
 * @typedef {{ do: 'screenshot', path: string }} Screenshot
 * @typedef {Count | Open | Screenshot} Step
 */

await play(
  'the operations',
  async (page, stepTimeoutMs) => {
    page.setDefaultTimeout(stepTimeoutMs);
    await page.locator('.opblock').first().waitFor();
  },
  /** @param {void} _ @param {import('playwright-core').Page} page @param {Step} step */
  async (_, page, step) => {
    switch (step.do) {
      case 'count':
        return String(await page.locator('.opblock').count());
      case 'open': {
        const operation = page.locator('.opblock', { hasText: step.name }).first();
        await operation.locator('.opblock-summary-control').click();
        await operation.locator('.responses-table').first().waitFor();
        return operation.innerText();
      }
      case 'screenshot':
        await page.screenshot({ path: step.path });
        return '';
    }
  },
);
