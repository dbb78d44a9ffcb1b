// Rows of radio buttons from low to high, one row for each construct: number keys choose and go to the next row.
import { element } from "./painted.js";
import { ends } from "./single_image.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "-"];

function row(construct, number, points, look, changed) {
  const inputs = [];
  const labels = Array.from({ length: points }, (_, place) => {
    const value = place + 1;
    const input = element("input", { type: "radio", name: `row-${number}`, value: String(value), autocomplete: "off" });
    input.addEventListener("change", changed);
    inputs.push(input);
    const end = place === 0 ? construct.low : place === points - 1 ? construct.high : "";
    const { seen, said } = look(construct, value);
    const words = [said, end].filter(Boolean).join(", ");
    return element("label", { class: "point" }, input, seen, element("span", { class: "unseen" }, words));
  });
  const scale = element("div", { class: "points" }, ...labels);
  scale.style.setProperty("--points", String(points));
  const legend = element("legend", {}, construct.question);
  const below = ends(construct, `row-${number}-ends`);
  below.setAttribute("aria-hidden", "true"); // each end is said with its point
  return { inputs, below, node: element("fieldset", { class: "scale" }, legend, scale, below) };
}

/** look(construct, value): {seen: what is drawn of a point, said: words for who cannot see it}. */
export function radioRows(trial, points, look, { changed }) {
  const rows = trial.constructs.map((construct, number) => row(construct, number, points, look, changed));
  const isOpen = ({ inputs }) => !inputs.some((input) => input.checked);
  const node = element("div", { class: "rows" }, ...rows.map((one) => one.node));
  return {
    node,
    rows,
    focus: () => rows[0].inputs[0].focus({ preventScroll: true }),
    missing: () => rows.filter(isOpen).length,
    values: () =>
      Object.fromEntries(
        rows.map(({ inputs }, number) => [trial.constructs[number].name, inputs.findIndex((input) => input.checked) + 1]),
      ),
    operate: (values) => rows.forEach(({ inputs }, number) => inputs[values[trial.constructs[number].name] - 1].click()),
    key: (event) => {
      const place = KEYS.indexOf(event.key);
      if (place < 0 || place >= points) return false;
      const here = rows.find(({ inputs }) => inputs.includes(document.activeElement)) ?? rows.find(isOpen) ?? rows[0];
      here.inputs[place].click();
      const next = rows.slice(rows.indexOf(here) + 1).find(isOpen) ?? here;
      (next === here ? here.inputs[place] : next.inputs[0]).focus();
      return true;
    },
  };
}

export function drawPoints(trial, points, random) {
  return Object.fromEntries(trial.constructs.map(({ name }) => [name, random.randomInt(1, points)]));
}
