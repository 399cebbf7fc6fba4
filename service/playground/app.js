// The playground: one page over one websocket. See docs/playground.md for what it does.

import { Board } from "./board.js";
import { Connection } from "./connection.js";
import { RequestForm } from "./form.js";
import { askForKey, Notices } from "./notices.js";
import { apiKey, readModel } from "./server.js";
import { SingleView } from "./single.js";
import { copyable } from "./snippets.js";
import { explain } from "./words.js";

const SETTLED_MS = 3_000; // after which what an answer did to the load is over
const STATES = { connecting: "connecting", open: "connected", waiting: "no connection", key: "needs a key" };

const part = (id) => document.getElementById(id);
const parts = (...ids) => Object.fromEntries(ids.map((id) => [id, part(id)]));

let limits = { max_deadline_ms: 60_000, max_socket_requests: 1 };
let told = null; // which problem with the connection has been told; whatever else was said since then stays
const notices = new Notices(part("notice"));
const connection = new Connection({ onState: changeState, askKey });
const form = new RequestForm(part("request"), {
  changed: () => single.render(),
  modelChosen: () => single.reset(),
  submitted: () => (location.hash === "#many" ? board.fire() : single.generate()),
});
const single = new SingleView(
  {
    ...parts("well", "player", "cells", "codes", "quality", "outcome", "replaying", "strip", "siblings", "empty"),
    ...parts(
      "stop",
      "extend",
      "continue",
      "replay",
      "download",
      "timeline",
      "legend",
      "curve",
      "curl",
      "python",
      "slow",
      "said",
    ),
    canvas: part("picture"),
    section: document.querySelector(".stage"),
    stripNote: part("strip-note"),
    variations: {
      ...parts("kept", "number", "vary"),
      section: part("variations"),
      form: part("variations").querySelector("form"),
      keep: part("keep-codes"),
      canvas: part("kept-picture"),
      grid: part("varied"),
      note: part("variations-note"),
    },
  },
  { form, connection, notices, hooks: { ended: askMinimum, longestMs: () => limits.max_deadline_ms } },
);
const board = new Board(
  part("board"),
  { ...parts("ladder", "rush", "summary"), grid: part("results") },
  {
    connection,
    body: () => (form.check() ? form.body() : null),
    model: () => form.model,
    limit: () => limits.max_socket_requests,
    opened: (answer) => {
      location.hash = "#one";
      single.open(answer);
    },
  },
);

function changeState(state, details) {
  const shown = part("connection");
  shown.dataset.state = state;
  shown.textContent = STATES[state];
  if (state === "open") {
    limits = details.limits;
    form.serve(details);
    if (told !== null) notices.clear();
    if (single.stage.answer === null) single.reset();
    told = null;
  } else if (state === "waiting" && details.problem.type !== told) {
    told = details.problem.type;
    notices.say(explain(details.problem), { name: "Try now", act: () => connection.hurry() });
  }
}

function askKey(problem) {
  changeState("key");
  return askForKey(part("key"), problem, apiKey() !== null);
}

let settling = 0;

/** The smallest feasible deadline follows the load: asked for again some time after an answer. */
function askMinimum({ name }) {
  clearTimeout(settling);
  settling = setTimeout(async () => {
    const model = await readModel(name).catch(() => null); // if the server is gone, that is said elsewhere
    if (model !== null) form.minimum(name, model.minimum_deadline_ms);
  }, SETTLED_MS);
}

function showView() {
  const chosen = location.hash === "#many" ? "many" : "one";
  for (const element of document.querySelectorAll("[data-view]")) element.hidden = element.dataset.view !== chosen;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${chosen}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

addEventListener("hashchange", showView);
addEventListener("keydown", (event) => event.key === "Escape" && single.stop());
const said = (words) => (part("said").textContent = words);
copyable(part("copy-curl"), part("curl"), said);
copyable(part("copy-python"), part("python"), said);
if (matchMedia("(prefers-reduced-motion: reduce)").matches) part("slow").checked = false;
showView();
connection.keep();
