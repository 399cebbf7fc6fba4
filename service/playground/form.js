// What to ask for: the form's fields, as the body of a request.

import { DeadlineSlider } from "./deadlines.js";

const LARGEST_SEED = Number.MAX_SAFE_INTEGER; // as the server has it: what every JSON reader keeps exactly
const DICE = 1_000_000; // seeds that are drawn are short enough to be told to somebody
const SHOWN = ["png", "webp", "jpeg", "wav", "flac", "ogg"]; // what a browser can show
const NUMBERS = ["n", "temperature", "top_k", "top_p", "min_codes", "max_codes", "target_codes", "priority"];

export class RequestForm {
  #form;
  #fields;
  #models = [];
  #seedUsed = false;
  #changed;

  /** changed(): something else is asked for. modelChosen(): of another model. submitted(): it is to be sent. */
  constructor(form, { changed, submitted, modelChosen }) {
    this.#form = form;
    this.#fields = form.elements;
    this.#changed = changed;
    this.deadline = new DeadlineSlider(
      {
        input: this.#fields.deadline,
        output: form.querySelector("#deadline-value"),
        marks: form.querySelector("#deadline-marks"),
        hint: form.querySelector("#deadline-hint"),
      },
      changed,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      submitted();
    });
    form.addEventListener("input", () => changed());
    // A browser cannot point at a field that is folded away.
    form.addEventListener("invalid", () => (form.querySelector("details").open = true), true);
    this.#fields.model.addEventListener("change", () => {
      this.#describeModel();
      modelChosen();
    });
    this.#fields.seed.addEventListener("input", () => {
      this.#fields.keep.checked = true; // who writes a seed means it
      this.#checkSeed();
    });
    form.querySelector("#dice").addEventListener("click", () => {
      this.seed = draw();
      this.#seedUsed = false;
      changed();
    });
    this.seed = draw();
  }

  /** Fill in what the server has, keeping what was chosen where it still exists. */
  serve({ models, limits }) {
    const chosen = this.#fields.model.value;
    this.#models = models;
    this.#fields.model.replaceChildren(...models.map(({ name }) => new Option(name)));
    const kept = models.find(({ name }) => name === chosen) ?? models.find(({ aliases }) => aliases.includes("default"));
    if (kept) this.#fields.model.value = kept.name;
    this.deadline.longestMs = limits.max_deadline_ms;
    this.#fields.n.max = String(limits.max_samples);
    this.#describeModel();
  }

  get model() {
    return this.#models.find(({ name }) => name === this.#fields.model.value) ?? null;
  }

  set seed(seed) {
    this.#fields.seed.value = String(seed);
    this.#checkSeed();
  }

  /** Tell the smallest feasible deadline of a model, if that is the one chosen. */
  minimum(name, ms) {
    if (name === this.#fields.model.value) this.deadline.minimumMs = ms;
  }

  /** Whether every field holds what may be asked; says to the person which does not. */
  check() {
    return this.#form.reportValidity();
  }

  /** A seed for a new picture: the one that is shown, or another if that was used and is not to be kept. */
  nextSeed() {
    if (this.#seedUsed && !this.#fields.keep.checked) this.seed = draw();
    this.#seedUsed = true;
  }

  /** The body, without what is left to the server. */
  body() {
    const fields = this.#fields;
    const body = { model: fields.model.value, deadline_ms: this.deadline.ms, seed: Number(fields.seed.value) };
    if (fields.label.value) body.label = fields.label.value;
    for (const name of NUMBERS) if (fields[name].value !== "") body[name] = Number(fields[name].value);
    if (body.n === 1) delete body.n;
    if (fields.format.value) body.format = fields.format.value;
    if (Number(fields.preview_ms.value) > 0) body.preview_ms = Number(fields.preview_ms.value);
    return body;
  }

  #checkSeed() {
    const { seed } = this.#fields;
    const good = /^\d{1,16}$/.test(seed.value) && Number(seed.value) <= LARGEST_SEED;
    seed.setCustomValidity(good ? "" : `A whole number from 0 to ${LARGEST_SEED}.`);
  }

  #describeModel() {
    const { label, format } = this.#fields;
    const model = this.model;
    if (model === null) return;
    const chosen = label.value;
    label.replaceChildren(new Option("any", ""), ...model.labels.map((name) => new Option(name)));
    if (model.labels.includes(chosen)) label.value = chosen;
    label.closest(".field").hidden = model.labels.length < 2;
    const formats = model.media.formats.filter((name) => SHOWN.includes(name));
    format.replaceChildren(...formats.map((name, index) => new Option(name, index === 0 ? "" : name)));
    this.#form.querySelector("#description").textContent = model.description;
    for (const name of ["min_codes", "max_codes", "target_codes"]) this.#fields[name].max = String(model.codes);
    for (const [name, value] of Object.entries(model.sampling)) this.#fields[name].placeholder = String(value);
    this.#fields.max_codes.placeholder = this.#fields.target_codes.placeholder = String(model.codes);
    this.deadline.minimumMs = model.minimum_deadline_ms;
    this.#changed();
  }
}

function draw() {
  return Math.floor(Math.random() * DICE);
}
