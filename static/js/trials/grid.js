// Affective grid: one image, one square of a grid, such as valence across and arousal upwards.
import { element } from "../painted.js";
import { declared, singleImageKind } from "../single_image.js";

const { ParameterType } = window.jsPsychModule;

const info = declared("grid", {
  /** Name of the construct that goes across; the other one goes upwards. */
  across: { type: ParameterType.STRING, default: undefined },
  /** Squares a side, an odd number. */
  points: { type: ParameterType.INT, default: 9 },
});

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function sides(across, upwards) {
  const side = (name, arrow, words) => element("span", { class: `side-${name}` }, `${arrow} ${words}`);
  const below = element("p", { class: "below", "aria-hidden": "true" });
  below.append(side("left", "←", across.low), side("down", "↓", upwards.low), side("right", "→", across.high));
  return { above: element("p", { class: "above", "aria-hidden": "true" }, side("up", "↑", upwards.high)), below };
}

function questions(across, upwards) {
  const line = (where, { question, low, high }) =>
    element("p", {}, element("b", {}, `${where}: `), question, element("span", { class: "unseen" }, ` From ${low} to ${high}.`));
  return element("div", { class: "questions", id: "grid-questions" }, line("Across", across), line("Upwards", upwards));
}

class Grid {
  constructor(trial, { changed, done }) {
    this.points = trial.points;
    this.across = trial.constructs.find(({ name }) => name === trial.across);
    this.upwards = trial.constructs.find(({ name }) => name !== trial.across);
    this.changed = changed;
    this.done = done;
    this.chosen = null;
    this.cells = new Map();
    const rows = Array.from({ length: this.points }, (_, place) => this.row(this.points - place));
    const grid = { class: "grid", role: "grid", "aria-label": "The grid", "aria-describedby": "grid-questions" };
    this.grid = element("div", grid, ...rows);
    this.grid.style.setProperty("--points", String(this.points));
    const { above, below } = sides(this.across, this.upwards);
    this.node = element("div", { class: "gridded" }, questions(this.across, this.upwards), above, this.grid, below);
    const middle = (this.points + 1) / 2;
    this.move(middle, middle);
  }

  row(y) {
    const cells = Array.from({ length: this.points }, (_, place) => this.cell(place + 1, y));
    return element("div", { role: "row", class: "grid-row" }, ...cells);
  }

  cell(x, y) {
    const words = `across ${x} of ${this.points}, upwards ${y} of ${this.points}`;
    const cell = element("div", { role: "gridcell", class: "cell", tabindex: "-1", "aria-label": words, "aria-selected": "false" });
    const middle = (this.points + 1) / 2;
    if (x === middle || y === middle) cell.classList.add("axis");
    cell.addEventListener("click", () => this.choose(x, y));
    cell.addEventListener("keydown", (event) => this.pressed(event, x, y));
    this.cells.set(`${x} ${y}`, cell);
    return cell;
  }

  move(x, y) {
    this.current?.setAttribute("tabindex", "-1");
    this.current = this.cells.get(`${x} ${y}`);
    this.current.setAttribute("tabindex", "0");
  }

  choose(x, y) {
    this.move(x, y);
    this.chosenCell?.setAttribute("aria-selected", "false");
    this.chosen = [x, y];
    this.chosenCell = this.current;
    this.chosenCell.setAttribute("aria-selected", "true");
    this.current.focus({ preventScroll: true });
    this.changed();
  }

  pressed(event, x, y) {
    const within = (place) => Math.min(Math.max(place, 1), this.points);
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Enter" || event.key === " ") {
      if (event.key === "Enter" && this.chosenCell === this.current) this.done();
      else this.choose(x, y);
    } else if (STEPS[event.key]) {
      this.move(within(x + STEPS[event.key][0]), within(y + STEPS[event.key][1]));
    } else if (event.key === "Home" || event.key === "End") {
      this.move(event.key === "Home" ? 1 : this.points, y);
    } else return;
    event.preventDefault();
    this.current.focus({ preventScroll: true });
  }

  focus() {
    this.current.focus({ preventScroll: true });
  }

  missing() {
    return this.chosen === null ? 1 : 0;
  }

  values() {
    const [x, y] = this.chosen;
    return { [this.across.name]: x, [this.upwards.name]: y };
  }

  operate(values) {
    this.choose(values[this.across.name], values[this.upwards.name]);
  }
}

export default singleImageKind(info, {
  noun: ["answer", "answers"],
  controls: (trial, touch) => new Grid(trial, touch),
  draw: (trial, random) =>
    Object.fromEntries(trial.constructs.map(({ name }) => [name, random.randomInt(1, trial.points)])),
});
