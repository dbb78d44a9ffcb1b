// Self-assessment figures: one image, and a row of five drawn figures for each construct, with points between them
// where there are nine. The drawings are made here, of a few strokes each: nothing is copied from published figures.
import { element } from "../painted.js";
import { drawPoints, radioRows } from "../radio_rows.js";
import { declared, singleImageKind } from "../single_image.js";
import { translate, translateCount } from "../words.js";

const { ParameterType } = window.jsPsychModule;

const info = declared("figures", {
  /** Whether one may also choose between two figures: 9 points instead of 5. */
  between: { type: ParameterType.BOOL, default: false },
});

const SVG = "http://www.w3.org/2000/svg";

function drawn(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

const stroke = (d) => drawn("path", { d });
const round = (cx, cy, r) => drawn("circle", { cx, cy, r });

// Shoulders and arms below a head; all figures stand in a square of 60.
const body = () => stroke("M18 58 V48 Q18 39 30 39 Q42 39 42 48 V58 M24 58 V49 M36 58 V49");

// share: 0 for the lowest of the five figures, 1 for the highest.
const FIGURES = {
  // From a frown with troubled brows to a smile.
  valence: (share) => {
    const bend = 9 * (2 * share - 1);
    const brow = 2.5 * (share - 1);
    return [
      round(30, 22, 15),
      round(24.5, 19, 1.2),
      round(35.5, 19, 1.2),
      stroke(`M21 ${14 - brow} L27 ${14 + brow} M39 ${14 - brow} L33 ${14 + brow}`),
      stroke(`M22 ${27 - bend / 3} Q30 ${27 + bend} 38 ${27 - bend / 3}`),
      body(),
    ];
  },
  // From closed eyes and a still body to wide eyes and rays around a beating middle.
  arousal: (share) => {
    const eyes = share === 0 ? [stroke("M22 20 H27 M33 20 H38")] : [round(24.5, 20, 0.8 + 2 * share), round(35.5, 20, 0.8 + 2 * share)];
    const rays = Array.from({ length: Math.round(4 * share) * 2 }, (_, number) => {
      const side = number % 2 === 0 ? 1 : -1;
      const y = 10 + 12 * Math.floor(number / 2);
      return `M${30 + side * 20} ${y} l${side * (3 + 5 * share)} ${y < 30 ? -3 : 3}`;
    });
    const beat = `M24 50 l2 ${-6 * share} l3 ${10 * share} l3 ${-8 * share} l2 ${4 * share} h2`;
    return [round(30, 22, 15), ...eyes, stroke("M26 29 H34"), body(), stroke(beat), ...(rays.length ? [stroke(rays.join(" "))] : [])];
  },
  // From a small figure to one that fills its frame.
  dominance: (share) => {
    const size = 0.35 + 0.65 * share;
    const place = `translate(${30 - 30 * size} ${58 - 58 * size}) scale(${size})`;
    const figure = [round(30, 22, 13), round(25.5, 20, 1.2), round(34.5, 20, 1.2), stroke("M26 27 H34"), body()];
    return [stroke("M2 2 H58 V58 H2 Z"), drawn("g", { transform: place, "stroke-width": 2 / size }, ...figure)];
  },
};

function figure(name, share) {
  return drawn("svg", { viewBox: "0 0 60 60", class: "figure", "aria-hidden": "true", focusable: "false" }, ...FIGURES[name](share));
}

const pointsOf = (trial) => (trial.between ? 9 : 5);

function controls(trial, touch) {
  const points = pointsOf(trial);
  const look = ({ name }, value) => {
    const share = (value - 1) / (points - 1);
    const isDrawn = !trial.between || value % 2 === 1;
    const seen = isDrawn ? figure(name, share) : element("span", { class: "between" });
    return { seen: element("span", { class: "dot" }, seen), said: `${value} of ${points}` };
  };
  const rows = radioRows(trial, points, look, touch);
  rows.node.classList.add(trial.between ? "figures-9" : "figures-5");
  return rows;
}

export default singleImageKind(info, {
  toGo: (count) => translateCount(count, "One row to go", "{count} rows to go"),
  controls,
  draw: (trial, random) => drawPoints(trial, pointsOf(trial), random),
});
