// VS Code's workbench, driven as a person with a keyboard would: the command palette, quick input and typing.
// The few selectors are VS Code's own stable class names.

/** @typedef {import('playwright-core').Page} Page */

const quickInput = '.quick-input-widget:visible';
const activeEditor = '.editor-group-container.active .editor-instance';
const terminalRow = '.terminal-wrapper.active .xterm-rows > div';

export class Workbench {
  /** @type {Page} */
  #page;
  #timeoutMs;

  /**
   * @param {Page} page
   * @param {number} timeoutMs for each thing that is waited for
   */
  constructor(page, timeoutMs) {
    this.#page = page;
    this.#timeoutMs = timeoutMs;
    page.setDefaultTimeout(timeoutMs);
  }

  /**
   * Waits until the workbench is drawn, has opened what it opens by itself, and takes commands. A dialog that VS Code
   * greets a new visitor with is answered.
   */
  async ready() {
    await this.#page.locator('.monaco-workbench .part.statusbar').waitFor();
    // The last of the phases that VS Code's own startup report lists.
    await this.#page.waitForFunction(() => performance.getEntriesByName('code/LifecyclePhase/Eventually').length > 0);
    await this.#palette();
    await this.#page.keyboard.press('Escape');
    await this.#page.locator(quickInput).waitFor({ state: 'hidden' });
  }

  /**
   * Runs a command of the palette by its full title, "Terminal: Create New Terminal".
   * @param {string} title
   */
  async command(title) {
    await this.#insist(`run "${title}"`, async (patience) => {
      await this.#palette();
      await this.#choose(`>${title}`, exactly(title), patience);
    });
  }

  /**
   * Makes a file in the open folder, types the text into the editor and saves it.
   * @param {string} name
   * @param {string} text one line
   */
  async writeFile(name, text) {
    const tab = this.#page.locator('.tab.active', { has: this.#page.locator('.label-name', { hasText: exactly(name) }) });
    let made = false;
    await this.#insist(`name the new file ${name}`, async (patience) => {
      if (made) {
        // An attempt before this one was slow: to make it again would fail.
        made = false;
        await this.#open(name, patience);
      } else {
        await this.command('File: New File...');
        const input = this.#page.locator('.explorer-folders-view input');
        await input.fill(name, patience);
        await input.press('Enter', patience);
        made = true;
      }
      await tab.waitFor(patience);
    });
    // The explorer may take the focus back when it shows the file.
    await this.#insist(`type into ${name}`, async (patience) => {
      await tab.waitFor(patience);
      await this.#page.locator(`${activeEditor} .view-lines`).click(patience);
      await this.#page.keyboard.press('Control+A');
      await this.#page.keyboard.type(text);
      await this.#page.locator(`${activeEditor} .view-line`, { hasText: text }).first().waitFor(patience);
    });
    await this.#page.keyboard.press('Control+S');
    await this.#saved(name);
  }

  /**
   * Types a text at the end of the file in the active tab, and saves it.
   * @param {string} name of that file
   * @param {string} text one line
   */
  async append(name, text) {
    await this.#page.locator('.tab.active', { hasText: name }).waitFor();
    await this.#page.locator(`${activeEditor} .view-lines`).click();
    await this.#page.keyboard.press('Control+End');
    await this.#page.keyboard.press('Enter');
    await this.#page.keyboard.type(text, { delay: 20 });
    await this.#page.locator(`${activeEditor} .view-line`, { hasText: text }).first().waitFor();
    await this.#page.keyboard.press('Escape'); // the suggestions, which would take the next Enter
    await this.#page.keyboard.press('Control+S');
    await this.#saved(name);
  }

  /**
   * Finds a file of the open folder by its name, opens it, and gives the text that the editor shows.
   * @param {string} name without its folder
   * @returns {Promise<string>}
   */
  async readFile(name) {
    await this.#insist(`open ${name}`, (patience) => this.#open(name, patience));
    await this.#page.locator('.tab.active', { hasText: name }).waitFor();
    await this.#page.locator(`${activeEditor} .view-line`).first().waitFor();
    return this.#text();
  }

  /**
   * Replaces the user's settings with these, in the settings editor.
   * @param {Record<string, unknown>} settings
   */
  async changeSettings(settings) {
    await this.command('Preferences: Open User Settings (JSON)');
    const text = JSON.stringify(settings);
    await this.#insist('type the settings', async (patience) => {
      await this.#page.locator('.tab.active', { hasText: 'settings.json' }).waitFor(patience);
      await this.#page.locator(`${activeEditor} .view-lines`).click(patience);
      await this.#page.keyboard.press('Control+A');
      await this.#page.keyboard.press('Delete');
      await this.#page.keyboard.insertText(text); // typing would meet the editor's own closing brackets
      await this.#page.locator(`${activeEditor} .view-line`, { hasText: text }).first().waitFor(patience);
    });
    await this.#page.keyboard.press('Control+S');
    await this.#saved('settings.json');
  }

  /**
   * The font size that the active editor is drawn in, in pixels.
   * @returns {Promise<number>}
   */
  async fontSize() {
    const lines = this.#page.locator(`${activeEditor} .view-lines`).first();
    return Number.parseFloat(await lines.evaluate((element) => getComputedStyle(element).fontSize));
  }

  /**
   * Opens a terminal, runs one command, and waits until the terminal shows what is expected of it.
   * @param {string} command
   * @param {string} shows
   */
  async terminal(command, shows) {
    await this.command('Terminal: Create New Terminal');
    await this.#insist(`type "${command}"`, (patience) => this.#typed(command, patience));
    await this.#page.keyboard.press('Enter');
    try {
      await this.#page.locator(terminalRow).filter({ hasText: exactly(shows) }).first().waitFor();
    } catch (error) {
      throw new Error(`the terminal shows:\n${(await this.#rows()).join('\n')}`, { cause: error });
    }
  }

  /**
   * Types a command into the active terminal and waits until its shell has taken all of it: one that is still starting,
   * or a focus that goes elsewhere meanwhile, loses letters.
   * @param {string} command
   * @param {{ timeout: number }} patience
   */
  async #typed(command, patience) {
    const terminal = this.#page.locator('.terminal-wrapper.active');
    await terminal.locator('.xterm-helper-textarea').waitFor({ state: 'attached', ...patience });
    await this.#page.locator(terminalRow).filter({ hasText: /\S/ }).first().waitFor(patience); // the prompt
    await terminal.locator('.xterm-screen').click(patience);
    await this.#page.keyboard.press('Control+U'); // what an attempt before this one left
    await this.#page.keyboard.type(command);
    await this.#page.waitForFunction(
      ([rows, typed]) =>
        [...document.querySelectorAll(rows)]
          .map((row) => row.textContent)
          .join('')
          .replace(/\s/g, '')
          .endsWith(typed),
      /** @type {const} */ ([terminalRow, command.replace(/\s/g, '')]),
      patience,
    );
  }

  /**
   * The lines that the active terminal shows.
   * @returns {Promise<string[]>}
   */
  async #rows() {
    return this.#page.locator(terminalRow).allTextContents();
  }

  /**
   * Opens a file of the open folder by its name.
   * @param {string} name without its folder
   * @param {{ timeout: number }} patience
   */
  async #open(name, patience) {
    await this.#palette();
    await this.#choose(name, exactly(name), patience); // without ">" the palette looks for files
  }

  /** Opens the command palette, answering any dialog that is in its way. */
  async #palette() {
    const input = this.#page.locator(`${quickInput} input`).first();
    const trust = this.#page.getByRole('button', { name: 'Yes, I trust the authors' });
    await this.#insist('open the command palette', async (patience) => {
      if (await trust.isVisible()) await trust.click(patience);
      if (await input.isVisible()) {
        await this.#page.keyboard.press('Escape'); // what an attempt before this one left open
        await input.waitFor({ state: 'hidden', ...patience });
      }
      await this.#page.keyboard.press('F1');
      await input.waitFor(patience);
    });
  }

  /**
   * Tries again what a late arrival can spoil: a page that VS Code opens by itself takes the focus, and a quick
   * input without it closes.
   * @param {string} what
   * @param {(patience: { timeout: number }) => Promise<void>} attempt
   */
  async #insist(what, attempt) {
    const patience = { timeout: 3_000 };
    const end = Date.now() + this.#timeoutMs;
    for (;;) {
      try {
        await attempt(patience);
        return;
      } catch (error) {
        if (Date.now() > end) throw new Error(`could not ${what}`, { cause: error });
      }
    }
  }

  /**
   * Fills the quick input that is open and accepts the entry with this label. It goes there by the arrow keys: a
   * click would meet whatever the list shows at that place by then.
   * @param {string} input
   * @param {RegExp} label
   * @param {{ timeout: number }} patience
   */
  async #choose(input, label, patience) {
    const row = `${quickInput} .monaco-list-row`;
    const labelled = { has: this.#page.locator('.label-name', { hasText: label }) };
    await this.#page.locator(`${quickInput} input`).first().fill(input, patience);
    await this.#page.locator(row).filter(labelled).first().waitFor(patience);
    const entries = await this.#page.locator(row).count();
    for (let i = 0; i < entries && !(await this.#page.locator(`${row}.focused`).filter(labelled).isVisible()); i++) {
      await this.#page.keyboard.press('ArrowDown');
    }
    await this.#page.locator(`${row}.focused`).filter(labelled).waitFor(patience);
    await this.#page.keyboard.press('Enter');
  }

  /** @param {string} name of the file in the active tab */
  async #saved(name) {
    await this.#page.locator('.tab.active:not(.dirty)', { hasText: name }).waitFor();
  }

  /** @returns {Promise<string>} the lines that are in view, as typed */
  async #text() {
    const lines = await this.#page.locator(`${activeEditor} .view-line`).evaluateAll((elements) =>
      elements
        .map((element) => ({ top: element.getBoundingClientRect().top, text: element.textContent ?? '' }))
        .sort((a, b) => a.top - b.top)
        .map((line) => line.text.replaceAll('\u00a0', ' ')),
    );
    return lines.join('\n');
  }
}

/** @param {string} text */
function exactly(text) {
  return new RegExp(`^\\s*${escaped(text)}\\s*$`);
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
