// One request and its samples, as far as they have come.

import { REASONS } from "./words.js";

/** What the first `codes` codes of a sample look or sound like; `atMs` after its request, null if made afterwards. */
class Picture {
  constructor(bytes, mediaType, codes, atMs, quality) {
    this.blob = new Blob([bytes], { type: mediaType });
    this.codes = codes;
    this.atMs = atMs;
    this.quality = quality;
  }
}

/** One sample. All it takes to go on with it is here and in the body of its answer. */
export class Sample {
  constructor(index) {
    this.index = index;
    this.codes = [];
    this.total = 0;
    this.stopReason = null;
    this.pictures = new Map(); // by number of codes
  }

  get latest() {
    return this.pictures.get(this.codes.length) ?? null;
  }

  get whole() {
    return this.codes.length === this.total;
  }

  /** Take in a preview or a result; returns its picture. `atMs` is null for what was asked for afterwards. */
  take(output, bytes, atMs) {
    const picture = new Picture(bytes, output.media_type, output.codes.length, atMs, output.expected_quality);
    if (!this.pictures.has(picture.codes)) this.pictures.set(picture.codes, picture);
    if (output.codes.length >= this.codes.length) this.codes = output.codes;
    this.total = output.codes_total;
    this.stopReason = output.stop_reason ?? this.stopReason;
    return this.pictures.get(picture.codes);
  }
}

/**
 * A request from its sending to its end; follows it for a Connection.
 *
 * state: "sent", "running" once accepted, "ended" or "failed". `changed()` is called after every change.
 */
export class Answer {
  constructor(model, body, changed = () => {}) {
    this.model = model;
    this.body = body;
    this.state = "sent";
    this.samples = [];
    this.deadlineMs = body.deadline_ms;
    this.sentAt = performance.now();
    this.elapsedMs = null; // to the last byte, as measured beside the socket
    this.timing = null;
    this.problem = null;
    this.previewsAt = [];
    this.changed = changed;
  }

  get running() {
    return this.state === "sent" || this.state === "running";
  }

  get late() {
    return this.elapsedMs !== null && this.elapsedMs > this.deadlineMs;
  }

  accepted(event) {
    this.state = "running";
    this.deadlineMs = Math.max(event.deadline_ms, this.extendedMs ?? 0);
    this.body.seed = event.seed;
    this.changed();
  }

  preview(event, bytes, atMs) {
    this.previewsAt.push(atMs);
    this.#sample(event.output.index).take(event.output, bytes, atMs);
    this.changed();
  }

  completed(event, bytes, atMs) {
    let start = 0;
    this.elapsedMs = atMs;
    for (const output of event.outputs) {
      const own = bytes.slice(start, (start += output.bytes));
      this.#sample(output.index).take(output, own, atMs);
    }
    this.state = "ended";
    this.deadlineMs = event.deadline_ms;
    this.timing = event.timing;
    this.changed();
  }

  failed(problem, atMs) {
    this.state = "failed";
    this.problem = problem;
    this.elapsedMs = atMs ?? performance.now() - this.sentAt;
    this.changed();
  }

  /** Begin with what is there of a sample already, for a request that goes on with it. */
  begin(sample) {
    const own = this.#sample(sample.index);
    own.codes = sample.codes;
    own.total = sample.total;
    own.pictures = new Map(sample.pictures);
  }

  /** Note a later deadline that was asked for. */
  extended(deadlineMs) {
    this.extendedMs = deadlineMs;
    this.deadlineMs = deadlineMs;
    this.changed();
  }

  /** Why a sample has no more codes, in words. */
  reason(sample) {
    const allowed = sample.stopReason === "complete" && !sample.whole;
    return allowed ? "as many as were asked for" : (REASONS[sample.stopReason] ?? "");
  }

  /** The body that asks to go on with a sample for so long. */
  bodyToContinue(sample, deadlineMs) {
    const body = { ...this.body, codes: sample.codes, index: sample.index, n: 1, deadline_ms: deadlineMs };
    if (body.max_codes <= sample.codes.length) delete body.max_codes;
    return body;
  }

  /** The body that asks what the first `codes` codes of a sample look like: nothing is drawn for it. */
  bodyOfPrefix(sample, codes, deadlineMs) {
    const { model, label, seed, format } = this.body;
    const first = sample.codes.slice(0, codes);
    const fixed = { codes: first, max_codes: codes, index: sample.index, n: 1, priority: 3, deadline_ms: deadlineMs };
    const body = { model, label, seed, format, ...fixed };
    return JSON.parse(JSON.stringify(body)); // without what is undefined
  }

  /** The body that asks for `n` variations that share the first `codes` codes of a sample. */
  bodyToVary(sample, codes, n, seed, deadlineMs) {
    const body = { ...this.body, codes: sample.codes.slice(0, codes), index: 0, n, seed, deadline_ms: deadlineMs };
    delete body.max_codes;
    delete body.min_codes;
    return body;
  }

  /** The sample of this index, made where there is none yet. */
  #sample(index) {
    let sample = this.samples.find((each) => each.index === index);
    if (sample === undefined) {
      sample = new Sample(index);
      this.samples.push(sample);
      this.samples.sort((one, other) => one.index - other.index);
    }
    return sample;
  }
}
