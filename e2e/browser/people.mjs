// Somebody at Bothy's own pages, and on into a workspace.

import { play } from './browser.mjs';

/**
 * @typedef {{ do: 'fill', name: string, text: string }} Fill a field, by its name
 * @typedef {{ do: 'press', name: string }} Press a button, by what is on it
 * @typedef {{ do: 'follow', name: string }} Follow a link, by its text
 * @typedef {{ do: 'go', path: string }} Go to an address
 * @typedef {{ do: 'arrives', path: string }} Arrives waits for an address that begins so
 * @typedef {{ do: 'shows', text: string }} Shows waits for a text
 * @typedef {{ do: 'workbench' }} Workbench waits for VS Code
 * @typedef {{ do: 'page' }} Page gives address and text
 * @typedef {{ do: 'screenshot', path: string }} Screenshot
 * @typedef {Fill | Press | Follow | Go | Arrives | Shows | Workbench | Page | Screenshot} Step
 */

await play(
  'a page of Bothy',
  /** @param {import('playwright-core').Page} page @param {number} stepTimeoutMs */
  async (page, stepTimeoutMs) => {
    page.setDefaultTimeout(stepTimeoutMs);
    await page.locator('h1').first().waitFor();
  },
  /** @param {void} _ @param {import('playwright-core').Page} page @param {Step} step */
  async (_, page, step) => {
    switch (step.do) {
      case 'fill':
        await page.locator(`[name="${step.name}"]`).fill(step.text);
        return '';
      case 'press':
        await page.getByRole('button', { name: step.name }).first().click();
        return '';
      case 'follow':
        await page.getByRole('link', { name: step.name }).first().click();
        return '';
      case 'arrives':
        await page.waitForURL((url) => url.href.startsWith(step.path), { waitUntil: 'domcontentloaded' });
        return page.url();
      case 'go':
        await page.goto(step.path, { waitUntil: 'domcontentloaded' });
        return '';
      case 'shows':
        await page.getByText(step.text).first().waitFor();
        return '';
      case 'workbench':
        await page.locator('.monaco-workbench').first().waitFor();
        return page.url();
      case 'page':
        return `${page.url()}\n${await page.locator('body').innerText()}`;
      case 'screenshot':
        await page.screenshot({ path: step.path });
        return '';
    }
  },
);
