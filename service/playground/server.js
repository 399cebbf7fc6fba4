// Where the server is, the key to it, and what it says of its models.

import { ownProblem } from "./words.js";

const KEPT_AS = "anytime.key"; // in sessionStorage: forgotten with the tab
const PATIENCE_MS = 10_000;
const UNREACHABLE = ownProblem(
  "unreachable",
  "The server does not answer",
  "It may be starting again, or the network is gone. The page connects by itself as soon as it is back.",
);

/** The URL of one of the server's paths, also behind a proxy that puts a prefix before them. */
export function address(path) {
  return new URL(path, document.baseURI);
}

/** The API key, or null. */
export function apiKey() {
  return sessionStorage.getItem(KEPT_AS);
}

export function keepKey(key) {
  sessionStorage.setItem(KEPT_AS, key);
}

/** Thrown when the server does not answer as it should; `problem` says how, `needsKey` that a key would help. */
export class Refusal extends Error {
  constructor(problem, status = 0) {
    super(problem.title);
    this.problem = problem;
    this.needsKey = status === 401 || status === 403;
  }
}

/** GET a path's JSON. Throws Refusal. */
export async function read(path) {
  const key = apiKey();
  const headers = key === null ? {} : { Authorization: `Bearer ${key}` };
  let response;
  try {
    response = await fetch(address(path), { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    throw new Refusal(UNREACHABLE);
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return body;
  const strange = ownProblem("strange", `It answered ${response.status}`, "This is no answer of an Anytime server.");
  throw new Refusal(body?.title ? body : strange, response.status);
}

/** The loaded models and the server's limits. Throws Refusal. */
export function readModels() {
  return read("v1/models");
}

/** One model: its smallest feasible deadline changes with the load. Throws Refusal. */
export function readModel(name) {
  return read("v1/models/" + encodeURIComponent(name));
}

/**
 * The socket's URL and subprotocols. Browsers cannot set headers on websockets, so the key goes as one of the latter;
 * the other is for the server to choose, so that it need not send the key back.
 */
export function socketAddress() {
  const url = address("v1/stream");
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const key = apiKey();
  return [url, key === null ? [] : ["anytime", `anytime.key.${key}`]];
}
