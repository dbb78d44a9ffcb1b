// Likert scales: one image, and for each construct numbered points between two labelled ends.
import { element } from "../painted.js";
import { drawPoints, radioRows } from "../radio_rows.js";
import { answersToGo, declared, singleImageKind } from "../single_image.js";

const { ParameterType } = window.jsPsychModule;

const info = declared("likert", {
  /** How many, from 2 to 11. */
  points: { type: ParameterType.INT, default: 7 },
  /** Label of the middle one; empty for none. */
  middle: { type: ParameterType.STRING, default: "" },
});

function controls(trial, touch) {
  const middle = (trial.points + 1) / 2;
  const look = (_, value) => ({
    seen: element("span", { class: "dot" }, String(value)),
    said: value === middle ? trial.middle : "",
  });
  const rows = radioRows(trial, trial.points, look, touch);
  if (trial.middle) {
    for (const { below } of rows.rows) below.children[1].before(element("span", { class: "middle" }, trial.middle));
  }
  return rows;
}

export default singleImageKind(info, {
  toGo: answersToGo,
  controls,
  draw: (trial, random) => drawPoints(trial, trial.points, random),
});
