// Shows again, slowly, what was too quick to be seen.

const WATCHABLE_MS = 1_400;
const SLOWER = [2, 5, 10, 20, 50, 100, 200, 500, 1000];

/** By how much to slow down what took so long; 1 if it could be watched as it was. */
export function slowness(elapsedMs) {
  if (elapsedMs >= WATCHABLE_MS / 2) return 1;
  return SLOWER.find((factor) => elapsedMs * factor >= WATCHABLE_MS) ?? SLOWER.at(-1);
}

/**
 * When each picture was there, in milliseconds: as measured, and for those that were made afterwards evenly between
 * their neighbours, since codes are drawn at an even pace.
 *
 * pictures: by ascending number of codes; the last was measured. begun: codes that were given.
 */
export function moments(pictures, begun) {
  const known = [{ codes: begun, atMs: 0 }, ...pictures.filter(({ atMs, codes }) => atMs !== null && codes > begun)];
  return pictures.map((picture) => {
    const after = known.findIndex(({ codes }) => codes >= picture.codes);
    if (after <= 0) return { picture, atMs: 0 };
    const [low, high] = [known[after - 1], known[after]];
    const share = (picture.codes - low.codes) / (high.codes - low.codes);
    return { picture, atMs: low.atMs + share * (high.atMs - low.atMs) };
  });
}

/** Show pictures one after another, so many times slower than they came; returns what stops it. */
export function replay(frames, factor, show, ended) {
  const start = performance.now();
  let next = 0;
  let request = requestAnimationFrame(function step(now) {
    let due = null;
    while (next < frames.length && now - start >= frames[next].atMs * factor) due = frames[next++];
    if (due !== null) show(due.picture);
    if (next < frames.length) request = requestAnimationFrame(step);
    else ended();
  });
  return () => cancelAnimationFrame(request);
}
