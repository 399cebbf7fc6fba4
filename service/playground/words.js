// Numbers, reasons and problems, as a person reads them.

const SPACE = "\u00a0"; // keeps a number and its unit on one line

/** A number with at most three significant digits. */
export function digits(value) {
  return String(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3)));
}

/** Milliseconds: 3.28 ms, 50 ms, 1.5 s. */
export function time(ms) {
  return Math.round(ms) >= 1000 ? digits(ms / 1000) + SPACE + "s" : digits(ms) + SPACE + "ms";
}

/** A smallest deadline, rounded up, so that what is said would do. */
export function atLeast(ms) {
  const unit = 10 ** (Math.floor(Math.log10(ms)) - 1);
  return Number((Math.ceil(ms / unit - 1e-9) * unit).toPrecision(3));
}

/** 0.934 as 93 %. What is not quite all is never called all. */
export function percent(share) {
  return (share < 1 ? Math.min(99, Math.round(share * 100)) : 100) + SPACE + "%";
}

/** "1 code", "3 codes". */
export function count(number, noun) {
  return number + SPACE + noun + (number === 1 ? "" : "s");
}

/** Why an answer has no more codes. */
export const REASONS = {
  complete: "complete",
  deadline: "its time was up",
  shed: "others needed the place more",
  client_stop: "you stopped it",
  drain: "the server is shutting down",
};

/** A problem that the page itself found, in the shape of those that the server sends (RFC 9457). */
export function ownProblem(slug, title, detail) {
  return { type: "urn:anytime:problem:" + slug, title, detail };
}

/** The stable last word of a problem's type. */
export function slugOf(problem) {
  return String(problem.type).split(":").pop();
}

const ADVICE = {
  overloaded: "More is asked of it than it can begin. Try again in a moment, or with fewer samples.",
  draining: "It finishes what runs and takes nothing new. This page goes on by itself when it is back.",
  "worker-lost": "The process that drew it was lost, and is being started again. Send it once more.",
  "request-isolated": "Two processes were lost over this one, so it is not tried again. Whoever runs the server should know.",
  "not-ready": "It is still loading its models. This page goes on by itself when it is ready.",
  "model-not-found": "The server has other models now; the list was read again. Choose one of them.",
};

/** What happened and what to do: {title, detail, minimum}, the last in milliseconds where a deadline was too short. */
export function explain(problem) {
  const slug = slugOf(problem);
  const minimum = problem.minimum_deadline_ms ?? null;
  if (slug === "deadline-infeasible" && minimum !== null) {
    const least = time(atLeast(minimum));
    return {
      title: "Refused: too short",
      detail: `Not even the smallest answer fits; ${least} would do now.`,
      minimum,
    };
  }
  if (slug === "invalid-field") {
    return { title: "Refused: a field is out of bounds", detail: problem.detail, minimum };
  }
  const wait = problem.retry_after_s ? ` It asks to wait ${count(problem.retry_after_s, "second")}.` : "";
  const advice = ADVICE[slug] ? " " + ADVICE[slug] : "";
  return { title: problem.title || "Something went wrong", detail: (problem.detail || "") + wait + advice, minimum };
}

/** Write a text into an element, unless it is there. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
