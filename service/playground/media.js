// Puts pictures and clips on canvases.

import { drawWave, samplesOf } from "./sound.js";

const drawn = new WeakMap(); // canvas → the number of what is on it: a slow decoding must not overwrite a later picture
let last = 0;

/**
 * Draw a picture's own pixels, or a clip's wave; resolves when that is done, or something later was drawn meanwhile.
 *
 * media: as GET /v1/models describes it. played: the share of a clip that was heard.
 */
export async function paint(canvas, picture, media, played = 0) {
  const number = ++last;
  try {
    const drawable = await decode(picture, media);
    if (number > (drawn.get(canvas) ?? 0)) {
      drawn.set(canvas, number);
      canvas.dataset.codes = picture.codes;
      if (media.type === "audio") drawWave(canvas, drawable, played);
      else drawPixels(canvas, drawable);
    }
    drawable.close?.();
  } catch {
    canvas.dataset.broken = "true"; // a format that this browser cannot show can still be downloaded
  }
}

/** A bitmap, or the samples of a clip; only the latter, which are drawn again and again while they play, are kept. */
function decode(picture, media) {
  if (media.type === "image") return createImageBitmap(picture.blob);
  picture.wave ??= samplesOf(picture.blob, media.sample_rate);
  return picture.wave;
}

function drawPixels(canvas, bitmap) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  }
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
}

/** Empty a canvas, in the shape of what will be shown. */
export function clear(canvas, media) {
  drawn.set(canvas, ++last);
  delete canvas.dataset.codes;
  if (media.type === "image") [canvas.height, canvas.width] = media.shape.slice(1);
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}

/** The CSS width, at most `space`, at which every pixel of a picture is a whole number of the screen's. */
export function evenWidth(media, space) {
  if (media.type !== "image") return "100%";
  const [, , width] = media.shape;
  return `${Math.max(1, Math.floor((space * devicePixelRatio) / width)) * (width / devicePixelRatio)}px`;
}

/** "png" for image/png: what a file is called by. */
export function extension(blob) {
  return blob.type.split("/").pop().replace("jpeg", "jpg").replace("x-npy", "npy");
}
