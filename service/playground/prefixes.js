// What a sample looked like after its first codes, where no preview has shown it.

import { slugOf } from "./words.js";

const PATIENCE_MS = 10_000;
const AT_ONCE = 4; // beside which a person's own requests find a place, also where a key may have few
const asked = new WeakMap(); // sample → Map(codes → promise)

/**
 * The picture after so many codes: kept, or decoded by the server from the answer's codes.
 * Resolves to null if the server will not now.
 */
export function prefix(connection, answer, sample, codes) {
  const kept = sample.pictures.get(codes);
  if (kept) return Promise.resolve(kept);
  if (!asked.has(sample)) asked.set(sample, new Map());
  const promises = asked.get(sample);
  if (!promises.has(codes)) {
    promises.set(
      codes,
      ask(connection, answer, sample, codes).finally(() => promises.delete(codes)),
    );
  }
  return promises.get(codes);
}

/** Have the pictures after all these numbers of codes, or as many as the server is willing to decode. */
export async function prefixes(connection, answer, sample, wanted) {
  for (let at = 0; at < wanted.length; at += AT_ONCE) {
    const asking = wanted.slice(at, at + AT_ONCE).map((codes) => prefix(connection, answer, sample, codes));
    if ((await Promise.all(asking)).includes(null)) return; // it has others to serve
  }
}

function ask(connection, answer, sample, codes) {
  return new Promise((resolve) => {
    connection.send(answer.bodyOfPrefix(sample, codes, PATIENCE_MS), {
      accepted() {},
      preview() {},
      completed: (event, bytes) =>
        resolve(sample.take({ ...event.outputs[0], stop_reason: sample.stopReason }, bytes, null)),
      failed(problem) {
        console.debug("no picture of a prefix:", slugOf(problem));
        resolve(null);
      },
    });
  });
}

/**
 * Which numbers of codes to show of `have`, when there is room for `most`: all of them, or fewer and fewer as codes
 * matter less and less.
 */
export function spread(have, most) {
  if (have <= most) return Array.from({ length: have }, (_, index) => index + 1);
  const steps = Array.from({ length: most }, (_, index) => Math.ceil(have ** (index / (most - 1)) - 1e-9));
  return [...new Set(steps)];
}

/** Leaves out of ascending numbers those closest to their neighbours, by ratio, until there are at most `most`. */
export function thin(numbers, most) {
  const left = [...numbers];
  while (left.length > most) {
    let worst = 1;
    for (let at = 1; at < left.length - 1; at += 1) {
      if (left[at + 1] / left[at - 1] < left[worst + 1] / left[worst - 1]) worst = at;
    }
    left.splice(worst, 1);
  }
  return left;
}
