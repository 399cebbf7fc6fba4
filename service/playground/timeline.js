// Where the time of an answer went, against its deadline.

import { at, drawn, el } from "./svg.js";
import { time } from "./words.js";

const HEIGHT = 88;
const BAR = { top: 30, height: 20 };
const EDGE = 30; // nearer to it, words are written inwards
const ROOM = 4; // times the answer's own time that the deadline may be away and still be drawn to scale

/** The parts of an answer's time: what the server says it took, and what only the page can measure. */
export function parts(answer) {
  const { queue_ms, sample_ms, decode_ms, encode_ms, total_ms } = answer.timing;
  const named = queue_ms + sample_ms + decode_ms + encode_ms;
  return [
    ["queue", "Queue", queue_ms],
    ["sample", "Codes", sample_ms],
    ["decode", "Decode", decode_ms],
    ["encode", "Encode", encode_ms],
    ["rest", "Passing on", Math.max(0, total_ms - named)],
    ["network", "Network, browser", Math.max(0, answer.elapsedMs - total_ms)],
  ];
}

export class TimeLine {
  #answer = null;
  #legend;
  #svg;
  #again;

  constructor({ svg, legend }) {
    [this.#svg, this.#legend] = [svg, legend];
    this.#again = drawn(svg, HEIGHT, (width) => (this.#answer ? this.#draw(width) : []));
  }

  show(answer) {
    this.#answer = answer;
    this.#again();
    this.#svg.setAttribute("aria-label", this.#inWords());
    const said = answer?.timing ? parts(answer) : [];
    this.#legend.replaceChildren(...said.map(([kind, name, ms]) => entry(kind, name, time(ms))));
  }

  #inWords() {
    if (!this.#answer?.timing) return "Where the time went: nothing yet";
    const said = parts(this.#answer).map(([, name, ms]) => `${name} ${time(ms)}`);
    return `Where the time went: ${said.join(", ")}; deadline ${time(this.#answer.deadlineMs)}`;
  }

  #draw(width) {
    const answer = this.#answer;
    const track = el("rect", { class: "track", x: 0, y: BAR.top, width, height: BAR.height, rx: 3 });
    if (answer.state === "failed") return [track]; // the server has not said where the time went
    const elapsed = answer.elapsedMs ?? performance.now() - answer.sentAt;
    const near = answer.running || answer.deadlineMs <= ROOM * elapsed;
    const span = near ? Math.max(answer.deadlineMs, elapsed) * 1.04 : elapsed * 1.6;
    const x = (ms) => at(Math.min(ms / span, 1) * (width - 2));
    const shapes = [track];
    let start = 0;
    for (const [kind, , ms] of answer.timing ? parts(answer) : [["running", "", elapsed]]) {
      const left = x(start);
      shapes.push(
        el("rect", {
          class: kind,
          x: left,
          y: BAR.top,
          width: Math.max(0, at(x(start + ms) - left)),
          height: BAR.height,
        }),
      );
      start += ms;
    }
    for (const ms of answer.previewsAt) {
      shapes.push(el("path", { class: "preview", d: `M${x(ms)} ${BAR.top - 3}l-3 -6h6z` }));
    }
    return [...shapes, ...this.#labels(width, x, elapsed, near)];
  }

  #labels(width, x, elapsed, near) {
    const bottom = BAR.top + BAR.height;
    const text = (words, place, y, anchor, kind) =>
      el("text", { class: kind, x: place, y, "text-anchor": anchor }, words);
    const made = [el("path", { class: "now", d: `M${x(elapsed)} ${BAR.top - 4}V${bottom + 8}` })];
    const deadline = `deadline ${time(this.#answer.deadlineMs)}`;
    if (near) {
      const due = x(this.#answer.deadlineMs);
      made.push(el("path", { class: "due", d: `M${due} ${BAR.top - 14}V${bottom}` }));
    }
    made.push(text(near ? deadline : `${deadline} →`, width, 11, "end", "due"));
    const place = x(elapsed);
    const anchor = place < EDGE ? "start" : place > width - EDGE ? "end" : "middle";
    made.push(text(time(elapsed), place, bottom + 24, anchor, "now"));
    return made;
  }
}

function entry(kind, name, value) {
  const [both, term, detail] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
  both.className = kind;
  term.textContent = name;
  detail.textContent = value;
  both.append(term, detail);
  return both;
}
