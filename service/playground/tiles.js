// Small pictures with a line or two under them, to be looked at or chosen.

import { paint } from "./media.js";

/** A button with a picture; `show(picture, media)` and `say(lines…)` fill it in. */
export class Tile {
  constructor(kind, chosen) {
    this.element = document.createElement("button");
    this.element.type = "button";
    this.element.className = `tile ${kind}`;
    this.element.addEventListener("click", chosen);
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.canvas.height = 1;
    this.canvas.setAttribute("aria-hidden", "true");
    this.words = document.createElement("span");
    this.words.className = "words";
    this.element.append(this.canvas, this.words);
    this.picture = null;
  }

  show(picture, media) {
    if (picture === null || picture === this.picture) return;
    this.picture = picture;
    this.canvas.classList.toggle("wave", media.type === "audio");
    paint(this.canvas, picture, media);
  }

  /** Lines of text, the first of them the most important. */
  say(...lines) {
    const made = lines.filter(Boolean).map((line, index) => {
      const element = document.createElement(index === 0 ? "strong" : "span");
      element.textContent = line;
      return element;
    });
    this.words.replaceChildren(...made.flatMap((element) => [element, " "]));
  }

  choose(chosen) {
    this.element.setAttribute("aria-pressed", String(chosen));
  }
}

/** Give a parent these tiles, in order, without touching those that are there already: focus stays where it is. */
export function arrange(parent, tiles) {
  for (const [index, { element }] of tiles.entries()) {
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
  }
  while (parent.children.length > tiles.length) parent.lastElementChild.remove();
}
