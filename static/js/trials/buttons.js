// Labelled buttons: one image, one question; the button that is pressed is the answer and ends the trial.
import { element } from "../painted.js";
import { answersToGo, declared, singleImageKind } from "../single_image.js";

const { ParameterType } = window.jsPsychModule;

const info = declared("buttons", {
  /** Of the buttons, from low to high; the value of an answer is the place, from 1. */
  labels: { type: ParameterType.STRING, array: true, default: undefined },
});

function controls(trial, { done }) {
  const [{ name, question }] = trial.constructs;
  let chosen = 0;
  const choose = (place) => {
    if (chosen > 0) return;
    chosen = place + 1;
    buttons[place].classList.add("chosen");
    done();
    if (buttons[place].closest(".rating").dataset.shown === undefined) undo(place);
  };
  // Whoever is faster than the picture has not judged it.
  const undo = (place) => {
    chosen = 0;
    buttons[place].classList.remove("chosen");
  };
  const buttons = trial.labels.map((label, place) => {
    const key = element("span", { class: "key", "aria-hidden": "true" }, String(place + 1));
    const button = element("button", { type: "button", class: "labelled" }, label, key);
    button.addEventListener("click", () => choose(place));
    return button;
  });
  const node = element("div", { class: "labels", role: "group", "aria-label": question }, ...buttons);
  return {
    node,
    focus: () => buttons[0].focus({ preventScroll: true }),
    missing: () => (chosen > 0 ? 0 : 1),
    values: () => ({ [name]: chosen }),
    operate: (values) => buttons[values[name] - 1].click(),
    key: (event) => {
      const button = /^[1-9]$/.test(event.key) ? buttons[Number(event.key) - 1] : undefined;
      button?.click();
      return button !== undefined;
    },
  };
}

export default singleImageKind(info, {
  toGo: answersToGo,
  atOnce: true,
  heading: (trial) => trial.constructs[0].question,
  controls,
  draw: (trial, random) => ({ [trial.constructs[0].name]: random.randomInt(1, trial.labels.length) }),
});
