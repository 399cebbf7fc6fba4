// Clips: decoded, and drawn as waves.

/** The samples of a clip, first channel, at the rate it was made with. Needs no gesture, as it plays nothing. */
export async function samplesOf(blob, sampleRate) {
  const context = new OfflineAudioContext(1, 1, sampleRate);
  const buffer = await context.decodeAudioData(await blob.arrayBuffer());
  return buffer.getChannelData(0);
}

/** Draw a wave over the whole canvas in its CSS colour; what was played of it, in that of `--played`. */
export function drawWave(canvas, samples, played) {
  const width = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
  const height = Math.max(1, Math.round(canvas.clientHeight * devicePixelRatio));
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const middle = height / 2;
  for (let x = 0; x < width; x += 1) {
    const [low, high] = extremes(samples, (x * samples.length) / width, ((x + 1) * samples.length) / width);
    const top = middle - high * middle * 0.95;
    context.fillStyle = x < played * width ? style.getPropertyValue("--played") : style.color;
    context.fillRect(x, top, 1, Math.max(1, (high - low) * middle * 0.95));
  }
}

function extremes(samples, from, to) {
  const [first, last] = [Math.floor(from), Math.max(Math.floor(from) + 1, Math.floor(to))];
  let [low, high] = [1, -1];
  for (let at = first; at < last && at < samples.length; at += 1) {
    if (samples[at] < low) low = samples[at];
    if (samples[at] > high) high = samples[at];
  }
  return low > high ? [0, 0] : [low, high];
}
