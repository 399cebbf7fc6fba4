// What went wrong, in words, with what to do about it; and the field for the key.

import { keepKey } from "./server.js";

/** The one notice of the page. */
export class Notices {
  #element;

  constructor(element) {
    this.#element = element;
  }

  /** Say something. action: {name, act}, a button that helps. */
  say({ title, detail }, action = null) {
    const [words, strong, text] = ["div", "strong", "p"].map((name) => document.createElement(name));
    strong.textContent = title;
    text.textContent = detail;
    words.append(strong, text);
    const buttons = [];
    if (action)
      buttons.push(
        this.#button(action.name, () => {
          this.clear();
          action.act();
        }),
      );
    buttons.push(this.#button("Dismiss", () => this.clear()));
    this.#element.replaceChildren(words, ...buttons);
    this.#element.classList.add("notice");
  }

  clear() {
    this.#element.classList.remove("notice");
    this.#element.replaceChildren();
  }

  #button(name, act) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", act);
    return button;
  }
}

/** Ask for the API key; resolves once there is one. refused: the problem that the server answered with. */
export function askForKey(form, refused, wasTried) {
  form.hidden = false;
  form.elements.key.focus();
  form.querySelector("label").textContent = wasTried
    ? `That key does not do: ${refused.title}`
    : "This server asks for an API key";
  return new Promise((resolve) => {
    form.addEventListener(
      "submit",
      (event) => {
        event.preventDefault();
        keepKey(form.elements.key.value);
        form.elements.key.value = "";
        form.hidden = true;
        resolve();
      },
      { once: true },
    );
  });
}
