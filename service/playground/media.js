// Puts pictures and clips on canvases.

import { drawWave, samplesOf } from "./sound.js";

const wanted = new WeakMap(); // canvas → what it is to show: a slower decoding must not overwrite a later picture

/**
 * Draw a picture's own pixels, or a clip's wave; resolves when that is done, or something later is to be shown.
 *
 * media: as GET /v1/models describes it. played: the share of a clip that was heard.
 */
export async function paint(canvas, picture, media, played = 0) {
  wanted.set(canvas, picture);
  try {
    picture.drawable ??= media.type === "audio" ? samplesOf(picture.blob, media.sample_rate) : createImageBitmap(picture.blob);
    const drawable = await picture.drawable;
    if (wanted.get(canvas) !== picture) return;
    if (media.type === "audio") drawWave(canvas, drawable, played);
    else drawPixels(canvas, drawable);
    canvas.dataset.codes = picture.codes;
  } catch {
    canvas.dataset.broken = "true"; // a format that this browser cannot show can still be downloaded
  }
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
  wanted.delete(canvas);
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
