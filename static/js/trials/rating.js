// Ratings: one image, and a slider for each construct. Without a start a slider has no value, and no thumb, until it is
// touched: nobody is led to the middle, and nothing that was not judged is stored.
import { element } from "../painted.js";
import { declared, ends, singleImageKind } from "../single_image.js";
import { translate, translateCount } from "../words.js";

const { ParameterType } = window.jsPsychModule;
const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"];
const PAGE = 10; // browsers differ in how far Page Up and Page Down go
const MOST_STEPS = 60; // of a way; between them it is thinned

const info = declared(
  "rating",
  {
    /** 0 to 100; null: no thumb until the first touch. */
    start: { type: ParameterType.FLOAT, default: null },
    /** Whether the first touch and the way of each slider are recorded. */
    path: { type: ParameterType.BOOL, default: false },
  },
  {
    /** Construct -> {first_ms, path: [ms, value] of its changes}; only where the path is recorded. */
    ways: { type: ParameterType.OBJECT },
  },
);

function slider(construct, number, trial, { changed, elapsed }) {
  const id = `slider-${number}`;
  const started = trial.start !== null && trial.start !== undefined;
  const input = element("input", {
    type: "range",
    id,
    name: construct.name,
    min: "0",
    max: "100",
    step: "1",
    value: started ? String(trial.start) : "50",
    class: started ? "slider-input untouched started" : "slider-input untouched",
    "aria-valuetext": translate("not set yet"),
    "aria-describedby": `${id}-ends`,
    autocomplete: "off",
  });
  const way = [];
  const note = () => {
    const [last, value] = [way.at(-1), Number(input.value)];
    if (last?.[1] !== value) way.push([Math.round(elapsed() ?? 0), value]);
  };
  const touch = () => {
    input.classList.remove("untouched");
    input.setAttribute("aria-valuetext", translate("{value} of 100", { value: input.value }));
    note();
    changed();
  };
  input.addEventListener("input", touch);
  input.addEventListener("pointerup", touch);
  input.addEventListener("keydown", (event) => {
    if (event.key === "PageUp" || event.key === "PageDown") {
      event.preventDefault();
      input.value = String(Number(input.value) + (event.key === "PageUp" ? PAGE : -PAGE));
    }
    if (["Enter", " "].includes(event.key) || MOVES.includes(event.key)) touch();
    if (event.key === "Enter") event.preventDefault();
  });
  const label = element("label", { for: id }, construct.question);
  return { input, way, node: element("div", { class: "slider" }, label, input, ends(construct, `${id}-ends`)) };
}

// The first and last steps of a way stay; of those between, evenly many.
function thinned(way) {
  if (way.length <= MOST_STEPS) return way;
  const share = (way.length - 1) / (MOST_STEPS - 1);
  return Array.from({ length: MOST_STEPS }, (_, place) => way[Math.round(place * share)]);
}

function controls(trial, touch) {
  const sliders = trial.constructs.map((construct, number) => slider(construct, number, trial, touch));
  return {
    node: element("div", { class: "rows" }, ...sliders.map(({ node }) => node)),
    focus: () => sliders[0].input.focus({ preventScroll: true }),
    missing: () => sliders.filter(({ input }) => input.classList.contains("untouched")).length,
    values: () => Object.fromEntries(sliders.map(({ input }) => [input.name, Number(input.value)])),
    operate: (values) =>
      sliders.forEach(({ input }) => {
        input.value = values[input.name];
        input.dispatchEvent(new Event("input", { bubbles: true }));
      }),
    more: () => {
      const told = ({ input, way }) => [input.name, { first_ms: way[0][0], path: thinned(way) }];
      return { ways: trial.path ? Object.fromEntries(sliders.map(told)) : {} };
    },
  };
}

export default {
  ...singleImageKind(info, {
    toGo: (count) => translateCount(count, "One slider to go", "{count} sliders to go"),
    controls,
    unseen: () => ({ ways: {} }),
    draw: (trial, random) => Object.fromEntries(trial.constructs.map(({ name }) => [name, random.randomInt(0, 100)])),
  }),
  events: (data) => Object.entries(data.ways ?? {}).map(([construct, way]) => ["slider", { construct, ...way }]),
};
