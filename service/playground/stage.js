// One sample, large: as it comes, as it came, and after any number of its codes.

import { clear, evenWidth, extension, paint } from "./media.js";
import { prefixes, spread, thin } from "./prefixes.js";
import { moments, replay, slowness } from "./replay.js";
import { fileName } from "./snippets.js";
import { arrange, Tile } from "./tiles.js";
import { count, percent, time, write } from "./words.js";

const MOST_THUMBS = 16;

export class Stage {
  #parts;
  #hooks;
  #answer = null;
  #index = 0;
  #shown = null; // the picture on the canvas
  #chosen = null; // the picture a person has chosen, else the latest is shown
  #halt = null; // stops the replay that runs
  #thumbs = new Map(); // picture → Tile
  #siblings = new Map(); // sample → Tile
  #file = null; // the URL of what is played or downloaded
  #offered = null; // the picture in it

  /**
   * parts: elements by name. hooks: `connection`; `chosen()` after another sample or picture was chosen;
   * `replays()`, whether to replay by itself.
   */
  constructor(parts, hooks) {
    [this.#parts, this.#hooks] = [parts, hooks];
    parts.replay.addEventListener("click", () => this.sample && this.#answer.state !== "sent" && this.#replay());
    parts.download.addEventListener("click", () => this.#download());
    for (const event of ["timeupdate", "ended", "play"])
      parts.player.addEventListener(event, () => this.#followSound());
    new ResizeObserver(() => this.#fitAgain()).observe(parts.section);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#fitAgain());
  }

  get answer() {
    return this.#answer;
  }

  get sample() {
    return this.#answer?.samples.find(({ index }) => index === this.#index) ?? this.#answer?.samples[0] ?? null;
  }

  /** How many codes the picture on the canvas has; null if there is none. */
  get codesShown() {
    return this.#shown?.codes ?? null;
  }

  /** The empty shape of a model's media. */
  reset(model) {
    this.show(null);
    clear(this.#parts.canvas, model.media);
    this.#parts.canvas.classList.toggle("wave", model.media.type === "audio");
    this.#parts.player.hidden = true;
    this.#fit(model.media);
  }

  /** Put an answer on the stage, or take off what is there. */
  show(answer, index = 0) {
    this.#stopReplay();
    [this.#answer, this.#index, this.#shown, this.#chosen] = [answer, index, null, null];
    this.#thumbs.clear();
    this.#siblings.clear();
    if (answer) this.#parts.canvas.classList.toggle("wave", answer.model.media.type === "audio");
    this.render();
  }

  /** Show the answer as it has come by now. */
  render() {
    const sample = this.sample;
    if (sample && this.#halt === null) this.#paint(this.#chosen ?? sample.latest);
    this.#renderThumbs();
    this.#renderSiblings();
    this.#renderFacts();
  }

  /** The answer on the stage has ended: find the pictures that nobody has sent, and replay if it was too quick. */
  async finish() {
    const [answer, sample] = [this.#answer, this.sample];
    if (!sample) return;
    const begun = answer.body.codes?.length ?? 0;
    if (sample.pictures.size < Math.min(MOST_THUMBS, sample.codes.length)) {
      const missing = spread(sample.codes.length, MOST_THUMBS).filter((codes) => !sample.pictures.has(codes));
      await prefixes(this.#hooks.connection, answer, sample, missing);
      if (this.#answer !== answer || this.sample !== sample) return;
    }
    const missed = slowness(answer.elapsedMs) > 1 && sample.codes.length - begun > 1;
    const stopped = sample.stopReason === "client_stop"; // who says stop wants to see what there is
    if (missed && !stopped && this.#chosen === null && this.#hooks.replays()) this.#replay();
    this.render();
  }

  #paint(picture) {
    if (picture === null) return;
    const { media } = this.#answer.model;
    const isNew = picture !== this.#shown;
    this.#shown = picture;
    if (isNew) {
      const { canvas } = this.#parts;
      this.#fit(media);
      paint(canvas, picture, media);
      canvas.setAttribute("aria-label", `The sample after ${count(picture.codes, "code")}`);
    }
    this.#offer(picture, media); // also of what is shown already: an answer may end as its last preview was
    if (isNew) this.#hooks.chosen();
  }

  /** A player of what is shown, once nothing newer will come by itself. */
  #offer(picture, media) {
    const { player } = this.#parts;
    player.hidden = media.type !== "audio";
    if (player.hidden || this.#answer.running || this.#halt !== null || picture === this.#offered) return;
    this.#offered = picture;
    URL.revokeObjectURL(this.#file);
    this.#file = URL.createObjectURL(picture.blob);
    player.src = this.#file;
  }

  #followSound() {
    const { player, canvas } = this.#parts;
    if (this.#shown === null || !player.duration) return;
    paint(canvas, this.#shown, this.#answer.model.media, player.ended ? 0 : player.currentTime / player.duration);
    if (!player.paused) requestAnimationFrame(() => this.#followSound());
  }

  /** Give all parts the width at which the picture's pixels are even. */
  #fit(media) {
    const { section } = this.#parts;
    section.style.setProperty("--side", evenWidth(media, section.clientWidth));
  }

  /** The page has another width or other colours. */
  #fitAgain() {
    const media = this.#answer?.model.media;
    if (!media) return;
    this.#fit(media);
    if (media.type !== "audio" || this.#shown === null) return;
    paint(this.#parts.canvas, this.#shown, media);
    for (const [picture, tile] of this.#thumbs) paint(tile.canvas, picture, media);
  }

  /** The pictures to have thumbnails of, by ascending number of codes. */
  #strip() {
    const { pictures } = this.sample;
    const counts = thin(
      [...pictures.keys()].sort((one, other) => one - other),
      MOST_THUMBS,
    );
    return counts.map((codes) => pictures.get(codes));
  }

  #renderThumbs() {
    const pictures = this.sample ? this.#strip() : [];
    const tiles = pictures.map((picture) => {
      if (!this.#thumbs.has(picture)) this.#thumbs.set(picture, this.#thumb(picture));
      const tile = this.#thumbs.get(picture);
      tile.choose(picture === this.#shown);
      return tile;
    });
    arrange(this.#parts.strip, tiles);
    for (const tile of tiles) tile.paint?.();
    this.#parts.stripNote.hidden = !pictures.some(({ atMs }) => atMs === null);
  }

  #thumb(picture) {
    const tile = new Tile("thumb", () => {
      this.#stopReplay();
      this.#chosen = picture === this.sample.latest ? null : picture;
      this.render();
    });
    const came = picture.atMs === null ? "decoded afterwards" : `came after ${time(picture.atMs)}`;
    tile.element.classList.toggle("live", picture.atMs !== null);
    tile.element.setAttribute("aria-label", `${count(picture.codes, "code")}, ${came}`);
    tile.element.title = came;
    tile.say(String(picture.codes));
    tile.paint = () => {
      delete tile.paint; // once, when it is in the page and has a size
      tile.show(picture, this.#answer.model.media);
    };
    return tile;
  }

  #renderSiblings() {
    const samples = (this.#answer?.samples.length ?? 0) > 1 ? this.#answer.samples : [];
    const tiles = samples.map((sample) => {
      if (!this.#siblings.has(sample)) this.#siblings.set(sample, this.#sibling(sample));
      const tile = this.#siblings.get(sample);
      tile.choose(sample === this.sample);
      tile.say(`${sample.codes.length} of ${sample.total}`);
      return tile;
    });
    arrange(this.#parts.siblings, tiles);
    for (const [at, tile] of tiles.entries()) tile.show(samples[at].latest, this.#answer.model.media);
  }

  #sibling(sample) {
    const tile = new Tile("sibling", () => {
      const answer = this.#answer;
      this.show(answer, sample.index);
      if (!answer.running) this.finish();
    });
    tile.element.setAttribute("aria-label", `Sample ${sample.index + 1}`);
    return tile;
  }

  #renderFacts() {
    const { cells, codes, quality, outcome, empty } = this.#parts;
    const [answer, sample, shown] = [this.#answer, this.sample, this.#shown];
    empty.hidden = shown !== null;
    const total = answer?.model.codes ?? 1;
    cells.style.setProperty("--total", String(total));
    cells.style.setProperty("--have", String(shown?.codes ?? 0));
    write(codes, shown ? `${shown.codes} of ${count(sample.total, "code")}` : "\u00a0");
    write(quality, shown ? `expected quality ${percent(shown.quality)}` : "");
    write(outcome, answer ? outcomeOf(answer, sample) : "");
  }

  #replay() {
    this.#stopReplay();
    this.#chosen = null;
    const [answer, sample] = [this.#answer, this.sample];
    const begun = answer.body.codes?.length ?? 0;
    const pictures = this.#strip().filter(({ codes }) => codes >= begun);
    const factor = slowness(answer.elapsedMs);
    const speed = factor === 1 ? "Replayed as it came" : `Replayed at 1/${factor} speed`;
    this.#parts.replaying.textContent = speed;
    const show = (picture) => {
      this.#paint(picture);
      this.render();
    };
    const ended = () => {
      this.#stopReplay();
      this.#shown = null; // so that it is offered to the ear, too
      this.#paint(sample.latest);
      this.render();
    };
    this.#halt = replay(moments(pictures, begun), factor, show, ended);
    this.#parts.well.classList.add("replaying");
  }

  #stopReplay() {
    this.#halt?.();
    this.#halt = null;
    this.#parts.well.classList.remove("replaying");
    this.#parts.replaying.textContent = "";
  }

  #download() {
    if (this.#shown === null) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(this.#shown.blob);
    link.download = `${fileName(this.#answer.body, this.sample, this.#shown.codes)}.${extension(this.#shown.blob)}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }
}

/** One line on how it went. */
export function outcomeOf(answer, sample) {
  if (answer.running) return `within ${time(answer.deadlineMs)} …`;
  if (answer.state === "failed") return sample ? "cut off" : "not answered";
  const reason = answer.reason(sample);
  return `${reason} · ${time(answer.elapsedMs)} of ${time(answer.deadlineMs)}${answer.late ? ", late" : ""}`;
}
