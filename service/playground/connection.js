// The one websocket of the page: opened, kept open, opened again; and the requests that run on it.

import { readModels, Refusal, socketAddress } from "./server.js";
import { ownProblem } from "./words.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;
const LOST = ownProblem(
  "connection-lost",
  "The connection was lost",
  "What had arrived by then is kept, and can be continued when the server is back.",
);
const CLOSED = ownProblem(
  "not-connected",
  "Not connected",
  "Nothing was sent. The page connects by itself as soon as the server answers.",
);
const NO_WEBSOCKET = ownProblem(
  "no-websocket",
  "No websocket",
  "The server answers, but its websocket /v1/stream cannot be opened. A proxy between may not pass it on.",
);

/**
 * Requests go out by `send`. A follower is told what becomes of its request: `accepted(event)`,
 * `preview(event, bytes, atMs)`, `completed(event, bytes, atMs)` and `failed(problem, atMs)`; one of the last two comes
 * exactly once. `atMs` are milliseconds since the request was sent, as the worker with the socket has measured them.
 */
export class Connection {
  #worker = new Worker(new URL("./socket.js", import.meta.url));
  #open = false;
  #told = () => {}; // of the socket's state
  #followers = new Map();
  #next = 1;
  #wake = () => {};
  #onState;
  #askKey;

  /**
   * onState(state, details): "connecting"; "open" with {models, limits}; "waiting" with {problem, seconds}.
   * askKey(refused): asks for a key, and resolves when there is one.
   */
  constructor({ onState, askKey }) {
    this.#onState = onState;
    this.#askKey = askKey;
    this.#worker.addEventListener("message", ({ data }) => (data.state ? this.#told(data.state) : this.#deliver(data)));
    addEventListener("online", () => this.hurry());
    addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.hurry());
  }

  /** Try again now, if it waits to. */
  hurry() {
    this.#wake();
  }

  /** Connect, and again whenever the connection ends, for as long as the page is there. */
  async keep() {
    for (let failures = 0; ;) {
      try {
        this.#onState("connecting");
        const served = await readModels();
        const { ended } = await this.#connect();
        failures = 0;
        this.#onState("open", served);
        await ended;
        this.#onState("connecting");
        await this.#pause(FIRST_PAUSE_MS);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        if (error.needsKey) {
          await this.#askKey(error.problem);
          continue;
        }
        const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
        this.#onState("waiting", { problem: error.problem, seconds: pause / 1000 });
        failures += 1;
        await this.#pause(pause);
      }
    }
  }

  /** Send a request; returns its id. The follower fails at once if there is no connection. */
  send(body, follower) {
    const id = String(this.#next++);
    if (!this.#open) {
      queueMicrotask(() => follower.failed(CLOSED, 0));
      return id;
    }
    this.#followers.set(id, follower);
    this.#worker.postMessage({ send: JSON.stringify({ ...body, type: "generate", id, binary: true }), id });
    return id;
  }

  /** "stop", "cancel", or "extend" with its deadline. */
  tell(type, id, fields = {}) {
    if (this.#followers.has(id)) this.#worker.postMessage({ send: JSON.stringify({ ...fields, type, id }) });
  }

  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Opens the socket; `ended` of what it returns resolves at its end. Throws Refusal. */
  async #connect() {
    const states = new Promise((opened) => {
      const ended = new Promise((closed) => {
        this.#told = (state) => (state === "open" ? opened({ ended }) : closed());
      });
      ended.then(() => opened(null));
    });
    const [url, protocols] = socketAddress();
    this.#worker.postMessage({ open: [String(url), protocols] });
    const connected = await states;
    if (connected === null) throw new Refusal(NO_WEBSOCKET);
    this.#open = true;
    return { ended: connected.ended.then(() => this.#lost()) };
  }

  #lost() {
    this.#open = false;
    const followers = [...this.#followers.values()];
    this.#followers.clear();
    for (const follower of followers) follower.failed(LOST, null);
  }

  #deliver({ event, bytes, atMs }) {
    const follower = this.#followers.get(event.id);
    if (follower === undefined) return;
    if (event.type === "accepted") follower.accepted(event);
    else if (event.type === "preview") follower.preview(event, bytes, atMs);
    else {
      this.#followers.delete(event.id);
      if (event.type === "completed") follower.completed(event, bytes, atMs);
      else follower.failed(event.problem, atMs);
    }
  }
}
