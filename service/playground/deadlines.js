// Deadlines a person would choose, evenly on a logarithmic scale, and the slider over them.

import { atLeast, time } from "./words.js";

const SHORTEST_MS = 1; // shorter than can be met, so that a refusal can be seen
const STEPS = [10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 25, 28, 30, 35, 40, 45, 50, 55, 60, 70, 80, 90];

/** All deadlines of the scale, in milliseconds, ascending, the longest included. */
export function scale(longestMs) {
  const found = [];
  for (let decade = SHORTEST_MS / 10; decade < longestMs; decade *= 10) {
    for (const step of STEPS) {
      const ms = Number((step * decade).toPrecision(3));
      if (ms < longestMs) found.push(ms);
    }
  }
  return [...found, longestMs];
}

/** Where a deadline lies among those of a scale: an index, with a fraction between two. */
export function place(values, ms) {
  if (ms <= values[0]) return 0;
  const above = values.findIndex((value) => value >= ms);
  if (above < 0) return values.length - 1;
  const [low, high] = [values[above - 1], values[above]];
  return above - 1 + Math.log(ms / low) / Math.log(high / low);
}

/** A range input as a slider of deadlines, with ticks under it and a mark at the smallest feasible one. */
export class DeadlineSlider {
  #input;
  #output;
  #marks;
  #hint;
  #values = [];
  #minimumMs = null;

  constructor({ input, output, marks, hint }, changed) {
    [this.#input, this.#output, this.#marks, this.#hint] = [input, output, marks, hint];
    input.addEventListener("input", () => {
      this.#describe();
      changed();
    });
  }

  get ms() {
    return this.#values[Number(this.#input.value)];
  }

  /** Choose the shortest deadline of the scale that is not below this one. */
  set ms(wanted) {
    this.#input.value = String(this.#indexFrom(wanted));
    this.#describe();
  }

  /** The shortest deadline of the scale that is not below this one. */
  from(ms) {
    return this.#values[this.#indexFrom(ms)];
  }

  /** Set the end of the scale. */
  set longestMs(ms) {
    const chosen = this.#values.length ? this.ms : 50;
    this.#values = scale(ms);
    this.#input.max = String(this.#values.length - 1);
    this.ms = Math.min(chosen, ms);
    this.#drawMarks();
  }

  /** The smallest deadline that the server would take now, null if it does not know. */
  set minimumMs(ms) {
    this.#minimumMs = ms;
    this.#drawMarks();
    this.#describe();
  }

  #indexFrom(ms) {
    return Math.ceil(place(this.#values, ms) - 1e-9);
  }

  #describe() {
    const tooShort = this.#minimumMs !== null && this.ms < this.#minimumMs;
    this.#output.textContent = time(this.ms);
    this.#input.setAttribute("aria-valuetext", time(this.ms) + (tooShort ? ", too short" : ""));
    const least = this.#minimumMs === null ? "" : time(atLeast(this.#minimumMs));
    this.#hint.textContent =
      least && (tooShort ? `Too short at present: ${least} would do.` : `Smallest feasible now: ${least}`);
    this.#hint.classList.toggle("warning", tooShort);
  }

  #drawMarks() {
    if (!this.#values.length) return;
    const ticks = [];
    for (let ms = 1; ms < this.#values.at(-1) / 2; ms *= 10) ticks.push(this.#mark("tick", ms, time(ms)));
    ticks.push(this.#mark("tick", this.#values.at(-1), time(this.#values.at(-1))));
    if (this.#minimumMs !== null) ticks.push(this.#mark("minimum", this.#minimumMs, ""));
    this.#marks.replaceChildren(...ticks);
  }

  #mark(kind, ms, text) {
    const mark = document.createElement("span");
    mark.className = kind;
    mark.textContent = text;
    mark.style.setProperty("--at", String(place(this.#values, ms) / (this.#values.length - 1)));
    return mark;
  }
}
