// The view of one sample: asks for it, and stops, extends and continues it.

import { Answer } from "./answer.js";
import { QualityCurve } from "./curve.js";
import { curl, python } from "./snippets.js";
import { outcomeOf, Stage } from "./stage.js";
import { TimeLine } from "./timeline.js";
import { Variations } from "./variations.js";
import { count, explain, percent, slugOf, time, write } from "./words.js";

const DICE = 1_000_000;
const ROOM = 1.2; // times the smallest deadline: it changes with the load
const SOON = 2; // times its deadline is what a request is extended to

export class SingleView {
  #parts;
  #form;
  #connection;
  #notices;
  #hooks;
  #answer = null;
  #id = null;
  #scheduled = false;
  #timeline;
  #curve;
  #variations;

  /** hooks: `ended(model)`, an answer has ended; `longestMs()`, that the server takes. */
  constructor(parts, { form, connection, notices, hooks }) {
    [this.#parts, this.#form, this.#connection, this.#notices, this.#hooks] = [parts, form, connection, notices, hooks];
    this.stage = new Stage(parts, {
      connection,
      chosen: () => this.#renderCurve(),
      replays: () => parts.slow.checked,
    });
    this.#timeline = new TimeLine({ svg: parts.timeline, legend: parts.legend });
    this.#curve = new QualityCurve(parts.curve);
    this.#variations = new Variations(parts.variations, {
      connection,
      deadlineMs: () => form.deadline.ms,
      seed: () => Math.floor(Math.random() * DICE),
      opened: (answer, index) => this.open(answer, index),
    });
    this.#act("stop", () => this.stop());
    this.#act("extend", () => this.#extend());
    this.#act("continue", () => this.#continue());
  }

  /** Ask for a new sample. */
  generate() {
    if (!this.#form.check()) return;
    this.#form.nextSeed();
    this.#send(new Answer(this.#form.model, this.#form.body()));
  }

  /** Have what is there by now. */
  stop() {
    if (this.#answer?.running) this.#connection.tell("stop", this.#id);
  }

  /** Take an answer that has ended onto the stage, from elsewhere on the page. */
  open(answer, index = 0) {
    this.#notices.clear();
    this.#answer = answer;
    this.stage.show(answer, index);
    this.render();
    this.stage.finish();
    if (this.#parts.well.getBoundingClientRect().top < 0) this.#parts.well.scrollIntoView();
  }

  /** Begin anew with a model. */
  reset() {
    if (this.#answer?.running) this.#connection.tell("cancel", this.#id);
    this.#answer = null;
    if (this.#form.model) this.stage.reset(this.#form.model);
    this.render();
  }

  /** Everything that follows from the answer and the form. */
  render() {
    this.stage.render();
    this.#timeline.show(this.#answer);
    this.#renderCurve();
    this.#renderActions();
    const varied = this.#answer && !this.#answer.running && this.stage.sample?.codes.length ? this.stage.sample : null;
    this.#variations.of(varied && this.#answer, varied);
    const model = this.#form.model;
    if (model === null) return;
    const asked = this.#answer ?? { body: this.#form.body(), model };
    write(this.#parts.curl, curl(asked.body, asked.model.media));
    write(this.#parts.python, python(asked.body, asked.model.media));
  }

  #act(name, act) {
    const button = this.#parts[name];
    button.addEventListener("click", () => button.getAttribute("aria-disabled") !== "true" && act());
  }

  #send(answer, begun = null) {
    if (this.#answer?.running) this.#connection.tell("cancel", this.#id);
    this.#notices.clear();
    this.#answer = answer;
    if (begun) answer.begin(begun);
    answer.changed = () => this.#changed(answer);
    answer.sentAt = performance.now();
    this.#id = this.#connection.send(answer.body, answer);
    this.stage.show(answer, begun?.index ?? 0);
    this.#animate(answer);
    this.render();
    this.#comeIntoView();
  }

  #comeIntoView() {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const { top } = this.#parts.well.getBoundingClientRect();
    if (top > innerHeight * 0.6)
      this.#parts.well.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
  }

  /** The bar of the time that passes. */
  #animate(answer) {
    const step = () => {
      if (answer !== this.#answer || !answer.running) return;
      this.#timeline.show(answer);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  #changed(answer) {
    if (answer !== this.#answer) return;
    if (!answer.running) this.#ended(answer);
    else if (!this.#scheduled) {
      this.#scheduled = true;
      requestAnimationFrame(() => {
        this.#scheduled = false;
        this.render();
      });
    }
  }

  #ended(answer) {
    this.render();
    if (answer.state === "failed") this.#explain(answer);
    else {
      const { sample } = this.stage;
      const codes = `${sample.codes.length} of ${count(sample.total, "code")}`;
      const quality = `expected quality ${percent(sample.latest.quality)}`;
      this.#parts.said.textContent = `${codes}, ${quality}. ${outcomeOf(answer, sample)}.`;
    }
    this.#hooks.ended(answer.model);
    this.stage.finish().then(() => answer === this.#answer && this.render());
  }

  #explain(answer) {
    if (slugOf(answer.problem) === "cancelled") return;
    const said = explain(answer.problem);
    if (said.minimum === null) {
      this.#notices.say(said);
      return;
    }
    this.#form.minimum(answer.model.name, said.minimum);
    const enough = this.#form.deadline.from(said.minimum * ROOM);
    this.#notices.say(said, { name: `Send it with ${time(enough)}`, act: () => this.#again(answer, enough) });
  }

  #again(answer, deadlineMs) {
    this.#form.deadline.ms = deadlineMs;
    this.#send(new Answer(answer.model, { ...answer.body, deadline_ms: deadlineMs }), answer.samples[0] ?? null);
  }

  #extend() {
    const later = Math.min(SOON * this.#answer.deadlineMs, this.#hooks.longestMs());
    this.#connection.tell("extend", this.#id, { deadline_ms: later });
    this.#answer.extended(later);
  }

  #continue() {
    const { sample } = this.stage;
    const body = this.#answer.bodyToContinue(sample, this.#form.deadline.ms);
    this.#send(new Answer(this.#answer.model, body), sample);
  }

  #renderCurve() {
    const model = this.#answer?.model ?? this.#form.model;
    if (model) this.#curve.show(model.quality_curve, this.stage.codesShown);
  }

  #renderActions() {
    const answer = this.#answer;
    const { sample } = this.stage;
    const running = answer?.running ?? false;
    const there = Boolean(sample?.latest) && !running;
    const later = running ? Math.min(SOON * answer.deadlineMs, this.#hooks.longestMs()) : 0;
    this.#enable("stop", running);
    this.#enable("extend", running && later > answer.deadlineMs);
    write(this.#parts.extend, `Extend to ${time(later)}`);
    this.#enable("continue", there && !sample.whole);
    write(this.#parts.continue, there && !sample.whole ? `Continue for ${time(this.#form.deadline.ms)}` : "Continue");
    this.#parts.continue.title = sample?.whole ? "It has all its codes" : "";
    this.#swap(running);
    this.#enable("replay", there && answer.state === "ended");
    this.#enable("download", Boolean(sample?.latest));
  }

  /** More time is had by extending what runs and by continuing what has ended: one place for two buttons. */
  #swap(running) {
    const { extend, continue: goOn } = this.#parts;
    const focused = [extend, goOn].includes(document.activeElement);
    [extend.hidden, goOn.hidden] = [!running, running];
    if (focused) (running ? extend : goOn).focus();
  }

  #enable(name, enabled) {
    this.#parts[name].setAttribute("aria-disabled", String(!enabled));
  }
}
