// The quality curve of a model, and where a sample is on it.

import { at, drawn, el } from "./svg.js";
import { count, percent } from "./words.js";

const HEIGHT = 190;
const EDGE = { left: 44, right: 12, top: 12, bottom: 28 };
const MOST_DOTS = 40;

export class QualityCurve {
  #curve = null;
  #codes = null;
  #svg;
  #again;

  constructor(svg) {
    this.#svg = svg;
    this.#again = drawn(svg, HEIGHT, (width) => (this.#curve ? this.#draw(width) : []));
  }

  /** quality: expected after 0, 1, … codes. codes: of the sample that is shown, or null. */
  show(quality, codes) {
    if (quality === this.#curve && codes === this.#codes) return;
    [this.#curve, this.#codes] = [quality, codes];
    this.#again();
    const here = codes === null ? "" : ` This one: ${percent(quality[codes])} after ${count(codes, "code")}.`;
    this.#svg.setAttribute("aria-label", `Expected quality by codes, from 0 to ${quality.length - 1}.${here}`);
  }

  #draw(width) {
    const last = this.#curve.length - 1;
    const bottom = HEIGHT - EDGE.bottom;
    const x = (codes) => at(EDGE.left + (codes / last) * (width - EDGE.left - EDGE.right));
    const y = (quality) => at(bottom - quality * (bottom - EDGE.top));
    const points = this.#curve.map((quality, codes) => `${x(codes)} ${y(quality)}`);
    const shapes = [];
    for (const quality of [0, 0.5, 1]) {
      shapes.push(el("path", { class: "grid", d: `M${EDGE.left} ${y(quality)}H${width - EDGE.right}` }));
      shapes.push(el("text", { x: EDGE.left - 8, y: y(quality) + 4, "text-anchor": "end" }, percent(quality)));
    }
    shapes.push(el("text", { x: x(0), y: HEIGHT - 8 }, "0"));
    shapes.push(el("text", { x: x(last), y: HEIGHT - 8, "text-anchor": "end" }, count(last, "code")));
    shapes.push(el("path", { class: "curve", d: `M${points.join("L")}` }));
    if (last <= MOST_DOTS) {
      for (const [codes, quality] of this.#curve.entries()) {
        shapes.push(el("circle", { class: "dot", cx: x(codes), cy: y(quality), r: 2.5 }));
      }
    }
    return this.#codes === null ? shapes : [...shapes, ...this.#here(x, y, bottom, width)];
  }

  #here(x, y, bottom, width) {
    const quality = this.#curve[this.#codes];
    const [across, up] = [x(this.#codes), y(quality)];
    const words = `${percent(quality)} after ${this.#codes}`;
    const left = across > width * 0.6;
    return [
      el("path", { class: "here", d: `M${across} ${bottom}V${up}H${EDGE.left}` }),
      el("circle", { class: "here", cx: across, cy: up, r: 6 }),
      el(
        "text",
        { class: "here", x: across + (left ? -10 : 10), y: up + 22, "text-anchor": left ? "end" : "start" },
        words,
      ),
    ];
  }
}
