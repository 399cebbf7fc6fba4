// Variations of a sample: its first codes kept, all others drawn anew.

import { Answer } from "./answer.js";
import { clear, paint } from "./media.js";
import { prefix } from "./prefixes.js";
import { arrange, Tile } from "./tiles.js";
import { count, explain, time, write } from "./words.js";

export class Variations {
  #parts;
  #hooks;
  #answer = null; // whose sample is varied
  #sample = null;
  #varied = null; // the answer with the variations
  #id = null;
  #tiles = new Map();
  #looking = false;

  /** hooks: `connection`; `deadlineMs()`; `seed()`, a new one; `opened(answer, index)`, a variation was chosen. */
  constructor(parts, hooks) {
    [this.#parts, this.#hooks] = [parts, hooks];
    parts.keep.addEventListener("input", () => this.#showPrefix());
    parts.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#varied?.running) hooks.connection.tell("stop", this.#id);
      else this.#vary();
    });
  }

  /** Vary this sample from now on; null if there is none to vary. */
  of(answer, sample) {
    if (sample === this.#sample && answer === this.#answer) return;
    [this.#answer, this.#sample] = [answer, sample];
    this.#parts.section.hidden = sample === null;
    if (sample === null) return;
    this.#parts.keep.max = String(sample.codes.length);
    this.#parts.keep.value = String(Math.min(Number(this.#parts.keep.value), sample.codes.length));
    clear(this.#parts.canvas, answer.model.media);
    this.#parts.canvas.classList.toggle("wave", answer.model.media.type === "audio");
    this.#showPrefix();
  }

  get #kept() {
    return Number(this.#parts.keep.value);
  }

  /** Say how many codes are kept, and show what they look like; while a picture is on its way no other is asked for. */
  async #showPrefix() {
    const { keep, kept, canvas } = this.#parts;
    write(kept, `${this.#kept} of ${count(this.#sample.codes.length, "code")}`);
    keep.setAttribute("aria-valuetext", kept.textContent);
    if (this.#looking) return;
    this.#looking = true;
    const [answer, sample, codes] = [this.#answer, this.#sample, this.#kept];
    const picture = await prefix(this.#hooks.connection, answer, sample, codes);
    this.#looking = false;
    if (this.#sample === null) return;
    if (sample !== this.#sample || codes !== this.#kept) this.#showPrefix();
    else if (picture !== null) {
      paint(canvas, picture, answer.model.media);
      canvas.setAttribute("aria-label", `The sample after ${count(codes, "code")}`);
    }
  }

  #vary() {
    const n = Number(this.#parts.number.value);
    const body = this.#answer.bodyToVary(this.#sample, this.#kept, n, this.#hooks.seed(), this.#hooks.deadlineMs());
    this.#tiles.clear();
    const varied = new Answer(this.#answer.model, body, () => varied === this.#varied && this.#render());
    this.#varied = varied;
    this.#id = this.#hooks.connection.send(body, varied);
    this.#render();
  }

  #render() {
    const varied = this.#varied;
    const tiles = varied.samples.map((sample) => {
      if (!this.#tiles.has(sample)) this.#tiles.set(sample, this.#tile(varied, sample));
      const tile = this.#tiles.get(sample);
      tile.say(`${sample.codes.length} of ${sample.total}`);
      return tile;
    });
    arrange(this.#parts.grid, tiles);
    for (const [at, tile] of tiles.entries()) tile.show(varied.samples[at].latest, varied.model.media);
    write(this.#parts.note, this.#inWords());
    write(this.#parts.vary, varied.running ? "Stop" : "Vary");
  }

  #tile(varied, sample) {
    const tile = new Tile("variation", () => !varied.running && this.#hooks.opened(varied, sample.index));
    tile.element.setAttribute("aria-label", `Go on with variation ${sample.index + 1}`);
    return tile;
  }

  #inWords() {
    const varied = this.#varied;
    if (varied.state === "failed") {
      const { title, detail } = explain(varied.problem);
      return `${title}. ${detail}`;
    }
    if (varied.running) return "Drawing …";
    const kept = varied.body.codes.length;
    const took = `${varied.samples.length} that share ${count(kept, "code")}, in ${time(varied.elapsedMs)}.`;
    const drawn = varied.samples.some(({ codes }) => codes.length > kept);
    if (drawn || kept === varied.model.codes) return `${took} Choose one to go on with it.`;
    return `${took} There was no time for any more codes: choose a later deadline, and vary again.`;
  }
}
