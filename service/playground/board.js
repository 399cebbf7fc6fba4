// Many requests at once over one socket, each with a deadline of its own.

import { Answer } from "./answer.js";
import { arrange, Tile } from "./tiles.js";
import { atLeast, count, explain, slugOf, time } from "./words.js";

const PRESETS = {
  ladder: { from: 10, to: 2000, deadlines: 12, copies: 1, seeds: false },
  rush: { from: 50, to: 50, deadlines: 1, copies: 60, seeds: true },
};

/** Deadlines from one to another, evenly on a logarithmic scale, each in milliseconds of two digits. */
export function ladder(fromMs, toMs, steps) {
  return Array.from({ length: steps }, (_, step) => {
    const ms = steps === 1 ? fromMs : fromMs * (toMs / fromMs) ** (step / (steps - 1));
    return Number(ms.toPrecision(2));
  });
}

export class Board {
  #form;
  #parts;
  #hooks;
  #rows = []; // {answer, tile}
  #left = 0; // beyond the server's limit, and not sent
  #scheduled = false;

  /** hooks: `connection`; `body()` of one request; `model()`; `limit()`, of requests on a socket; `opened(answer)`. */
  constructor(form, parts, hooks) {
    [this.#form, this.#parts, this.#hooks] = [form, parts, hooks];
    for (const name of Object.keys(PRESETS)) {
      parts[name].addEventListener("click", () => {
        this.#preset(PRESETS[name]);
        this.fire();
      });
    }
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.fire();
    });
  }

  /** Send them all, once their tiles have been drawn: drawing is in nobody's time. */
  async fire() {
    const body = this.#hooks.body();
    if (body === null || !this.#form.reportValidity()) return;
    for (const { answer, id } of this.#rows) if (answer.running) this.#hooks.connection.tell("cancel", id);
    const { from, to, deadlines, copies, seeds } = this.#form.elements;
    const steps = ladder(Number(from.value), Number(to.value), Number(deadlines.value));
    const wanted = steps.flatMap((ms) => Array(Number(copies.value)).fill(ms));
    const sent = wanted.slice(0, this.#hooks.limit());
    this.#left = wanted.length - sent.length;
    this.#rows = sent.map((ms, index) =>
      this.#row({ ...body, deadline_ms: ms, seed: body.seed + (seeds.checked ? index : 0) }),
    );
    arrange(
      this.#parts.grid,
      this.#rows.map(({ tile }) => tile),
    );
    const rows = this.#rows;
    await frame();
    await frame();
    if (rows !== this.#rows) return; // others were sent meanwhile
    for (const row of rows) {
      row.answer.sentAt = performance.now();
      row.id = this.#hooks.connection.send(row.answer.body, row.answer);
    }
    this.#say();
  }

  #preset(values) {
    for (const [name, value] of Object.entries(values)) {
      const field = this.#form.elements[name];
      if (field.type === "checkbox") field.checked = value;
      else field.value = String(value);
    }
  }

  #row(body) {
    delete body.n;
    delete body.preview_ms;
    const model = this.#hooks.model();
    const row = { dirty: true };
    row.answer = new Answer(model, body, () => this.#changed(row));
    row.tile = new Tile("result", () => row.answer.state === "ended" && this.#hooks.opened(row.answer));
    row.tile.say(time(body.deadline_ms), "sent");
    return row;
  }

  /** Tiles are drawn with the next frame: what comes meanwhile is measured first. */
  #changed(row) {
    row.dirty = true;
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      for (const each of this.#rows) if (each.dirty) this.#render(each);
      this.#say();
    });
  }

  #render(row) {
    row.dirty = false;
    const { answer, tile } = row;
    const [sample] = answer.samples;
    tile.element.dataset.state = answer.state;
    tile.element.dataset.late = String(answer.late);
    const share = answer.elapsedMs === null ? 0 : Math.min(1, answer.elapsedMs / answer.deadlineMs);
    tile.element.style.setProperty("--share", String(answer.state === "ended" ? share : 0));
    if (answer.state === "failed") tile.say(time(answer.body.deadline_ms), ...refusal(answer.problem));
    else if (sample) {
      tile.show(sample.latest, answer.model.media);
      const took = time(answer.elapsedMs) + (answer.late ? ", late" : "");
      const codes = `${sample.codes.length} of ${count(sample.total, "code")}`;
      tile.say(time(answer.body.deadline_ms), took, codes, answer.reason(sample));
    }
  }

  #say() {
    const answers = this.#rows.map(({ answer }) => answer);
    const ended = answers.filter(({ state }) => state === "ended");
    const failed = answers.filter(({ state }) => state === "failed");
    if (!answers.length) return;
    const words = [`${ended.length} of ${answers.length} answered`];
    if (ended.length) {
      const codes = ended.map(({ samples }) => samples[0].codes.length);
      const inTime = ended.filter(({ late }) => !late).length;
      words.push(
        `${inTime} of them on time by this page’s clock`,
        `longest ${time(Math.max(...ended.map(({ elapsedMs }) => elapsedMs)))}`,
      );
      words.push(`${Math.min(...codes)} to ${count(Math.max(...codes), "code")}`);
    }
    if (failed.length) words.push(`${failed.length} refused`);
    if (this.#left)
      words.push(`${this.#left} not sent: the server takes ${this.#hooks.limit()} at once from one socket`);
    this.#parts.summary.textContent = words.join(" · ");
  }
}

/** Resolves when the next frame is about to be drawn. */
function frame() {
  return new Promise((resolve) => requestAnimationFrame(resolve));
}

function refusal(problem) {
  const { title, minimum } = explain(problem);
  if (slugOf(problem) === "cancelled") return ["cancelled"];
  return minimum === null ? [title] : ["refused", `${time(atLeast(minimum))} would do`];
}
