// Records what a page asks of the network, so that a test can say that nothing failed.

/**
 * @typedef {{ url: string, status: number, problem: string }} Failure
 *   status is 0 when there was no answer; problem is Chromium's word for why.
 * @typedef {{ url: string, sent: number, received: number, open: boolean, problem: string, opened: number, closed: number }} Socket
 *   sent and received count frames; opened and closed are when, in milliseconds since 1970, closed 0 while it is open.
 */

/** Everything one page asked for, from the moment that it is made. */
export class Traffic {
  /** @type {Failure[]} */
  failures = [];
  /** @type {Socket[]} */
  sockets = [];
  /** Origins that were asked for anything.
   * @type {Set<string>} */
  origins = new Set();
  requests = 0;
  #leaving = false;

  /** @param {import('playwright-core').Page} page */
  constructor(page) {
    page.on('request', (request) => {
      this.requests++;
      const { protocol, origin } = new URL(request.url());
      if (protocol === 'http:' || protocol === 'https:') this.origins.add(origin);
    });
    page.on('requestfailed', (request) => {
      if (this.#leaving) return; // what a closing page was still waiting for has not failed
      const problem = request.failure()?.errorText ?? 'no answer';
      // Chromium's word for what the page itself called off: an image or frame that it removed before it was
      // loaded. What came with an error status ends so as well, and is in the list by that.
      if (problem === 'net::ERR_ABORTED') return;
      this.failures.push({ url: request.url(), status: 0, problem });
    });
    page.on('response', (response) => {
      if (response.status() >= 400) {
        this.failures.push({
          url: response.url(),
          status: response.status(),
          problem: response.statusText(),
        });
      }
    });
    page.on('websocket', (webSocket) => {
      /** @type {Socket} */
      const socket = { url: webSocket.url(), sent: 0, received: 0, open: true, problem: '', opened: Date.now(), closed: 0 };
      this.sockets.push(socket);
      webSocket.on('framesent', () => void socket.sent++);
      webSocket.on('framereceived', () => void socket.received++);
      webSocket.on('socketerror', (problem) => void (socket.problem = problem));
      webSocket.on('close', () => {
        if (this.#leaving) return;
        socket.open = false;
        socket.closed = Date.now();
      });
    });
  }

  /** The page is about to be closed: from here on nothing counts as failed. */
  leave() {
    this.#leaving = true;
  }
}
