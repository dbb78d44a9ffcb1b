// Setting up the screen: full screen for whoever agrees, and its size by a bank card. Nobody is held here.
import { element } from "../painted.js";
import { DATA, heading, pagePlugin, statusLine, VALUES } from "../pages.js";
import { translate } from "../words.js";

const CARD_MM = { long: 85.6, short: 53.98 };
const PX_PER_MM = { least: 2, most: 9, usual: 96 / 25.4 };
const LARGE_STEP = 10; // pixels, of Page Up and Page Down

const { ParameterType } = window.jsPsychModule;
const info = {
  name: "almond-screen",
  version: "1.0.0",
  parameters: {
    /** Ask for full screen. */
    fullscreen: { type: ParameterType.BOOL, default: true },
    /** Ask to hold a bank card against the screen. */
    card: { type: ParameterType.BOOL, default: true },
  },
  data: { ...DATA, ...VALUES },
};

const part = (id, words, ...nodes) =>
  element("section", { class: "screen-part", "aria-labelledby": id }, element("h2", { id }, words), ...nodes);

// A button that goes to full screen and back; browsers without full screen say so.
function fullScreenPart() {
  const able = Boolean(document.fullscreenEnabled && document.documentElement.requestFullscreen);
  const status = statusLine();
  const button = element("button", { type: "button", class: "second" });
  let entered = false;
  const look = () => {
    const full = Boolean(document.fullscreenElement);
    entered ||= full;
    button.textContent = full ? translate("Leave full screen") : translate("Use the full screen");
    if (full) status.textContent = translate("The study uses the full screen.");
    else if (entered) status.textContent = translate("Full screen is off. You can go on all the same.");
  };
  const toggle = async () => {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await document.documentElement.requestFullscreen({ navigationUI: "hide" });
    } catch {
      status.textContent = translate("Your browser did not allow it. You can go on all the same.");
    }
  };
  button.addEventListener("click", toggle);
  document.addEventListener("fullscreenchange", look);
  const words = element("p", {}, translate("Nothing else distracts you then. You can leave it at any time with the key Esc, and go on."));
  const none = element("p", { class: "hint" }, translate("This browser has no full screen: there is nothing to do here."));
  look();
  return {
    node: part("screen-full", translate("Full screen"), ...(able ? [words, button, status] : [none])),
    read: () => (able ? (entered ? "entered" : "declined") : "unavailable"),
    end: () => document.removeEventListener("fullscreenchange", look),
  };
}

// A frame that is made as large as a card: with a slider, its keys, or by dragging the corner.
function cardPart() {
  const upright = document.documentElement.clientWidth < 640;
  const [across, down] = upright ? [CARD_MM.short, CARD_MM.long] : [CARD_MM.long, CARD_MM.short];
  const room = () => Math.round(Math.min(across * PX_PER_MM.most, document.documentElement.clientWidth - 48));
  const least = across * PX_PER_MM.least;
  const error = element("p", { class: "field-error", id: "card-error", hidden: "" });
  const frame = element("div", { class: "card-frame", "aria-hidden": "true" }, element("span", { class: "card-corner" }));
  const slider = element("input", {
    type: "range",
    id: "card-size",
    min: Math.round(least),
    max: room(),
    step: "1",
    value: Math.round(Math.min(across * PX_PER_MM.usual, room())),
    "aria-describedby": `card-words ${error.id}`,
    autocomplete: "off",
  });
  const none = element("input", { type: "checkbox", id: "card-none", autocomplete: "off" });
  let touched = false;
  const complain = (words) => {
    error.textContent = words;
    error.hidden = words === "";
  };
  const draw = () => {
    const wide = Number(slider.value);
    frame.style.width = `${wide}px`;
    frame.style.height = `${(wide * down) / across}px`;
    slider.setAttribute("aria-valuetext", translate("{pixels} pixels wide", { pixels: wide }));
  };
  const size = (wide) => {
    slider.value = Math.round(wide);
    touched = true;
    none.checked = false;
    complain("");
    draw();
  };
  // A window that has become too narrow for the frame, as of a telephone that was turned: it is to be fitted anew.
  const refit = () => {
    const before = slider.value;
    slider.max = room();
    if (slider.value !== before) touched = false;
    draw();
  };
  window.addEventListener("resize", refit);
  slider.addEventListener("input", () => size(Number(slider.value)));
  slider.addEventListener("keydown", (event) => {
    const step = { PageUp: LARGE_STEP, PageDown: -LARGE_STEP }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    size(Number(slider.value) + step);
  });
  none.addEventListener("change", () => complain(""));
  drag(frame, size);
  draw();
  return {
    node: part(
      "screen-card",
      translate("Size of your screen"),
      element("p", { id: "card-words" }, translate("Hold a bank card, or any card of that size, against the screen, and make the frame exactly as large. The arrow keys change it by one pixel. Nothing on the card is read.")),
      element("div", { class: "card-place" }, frame),
      element("label", { class: "screen-label", for: "card-size" }, translate("Size of the frame")),
      slider,
      error,
      element("label", { class: "option", for: "card-none" }, none, element("span", {}, translate("I have no such card here"))),
    ),
    read() {
      if (none.checked) return { card: "none", px_per_mm: null };
      if (touched) return { card: "fitted", px_per_mm: Math.round((1000 * Number(slider.value)) / across) / 1000 };
      complain(translate("Make the frame as large as the card, or say that you have none."));
      slider.focus();
      return null;
    },
    fill: ({ card, px_per_mm: measured }) => {
      if (card === "fitted") size(measured * across);
      else none.checked = true;
    },
    end: () => window.removeEventListener("resize", refit),
  };
}

function drag(frame, size) {
  const corner = frame.firstChild;
  corner.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    corner.setPointerCapture(event.pointerId);
    const begin = { x: event.clientX, wide: frame.getBoundingClientRect().width };
    // The frame stands in the middle, or at the start: its corner follows the pointer either way.
    const both = getComputedStyle(frame.parentElement).justifyContent === "center" ? 2 : 1;
    const away = document.documentElement.dir === "rtl" ? -1 : 1;
    const move = (to) => size(begin.wide + away * both * (to.clientX - begin.x));
    corner.addEventListener("pointermove", move);
    corner.addEventListener("lostpointercapture", () => corner.removeEventListener("pointermove", move), { once: true });
  });
}

const screenFacts = () => ({ screen_width: screen.width, screen_height: screen.height, pixel_ratio: devicePixelRatio });

export default {
  info,
  plugin: pagePlugin(info, {
    build(trial) {
      const full = trial.fullscreen ? fullScreenPart() : null;
      const card = trial.card ? cardPart() : null;
      return {
        name: "screen",
        nodes: [heading(translate("Your screen")), ...[full, card].filter(Boolean).map((one) => one.node)],
        label: translate("Continue"),
        read() {
          const fitted = card ? card.read() : { card: "not_asked", px_per_mm: null };
          if (fitted === null) return null;
          full?.end();
          card?.end();
          return { fullscreen: full ? full.read() : "not_asked", ...fitted, ...screenFacts() };
        },
        fill: (values) => card?.fill(values),
      };
    },
    draw: (trial, random) => ({
      fullscreen: trial.fullscreen ? "declined" : "not_asked",
      card: trial.card ? "fitted" : "not_asked",
      px_per_mm: trial.card ? Math.round(1000 * PX_PER_MM.usual * random.sampleNormal(1.1, 0.05)) / 1000 : null,
      ...screenFacts(),
    }),
  }),
  trial: (planned, { block }) => ({ fullscreen: block.fullscreen, card: block.card }),
  answer: (data) => ({ values: data.values }),
};
