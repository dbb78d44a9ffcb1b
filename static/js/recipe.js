// Shows, while a recipe is written, which words its generator knows, what the images cost, and lambda over the
// steps (generation/admin/preview.py answers). Without an answer the form works as it is.

const PAUSE = 250;
const SVG = "http://www.w3.org/2000/svg";

function make(name, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

/** A line of text with a role for those who do not see it change. */
function lineBelow(field, id) {
  const line = document.createElement("p");
  line.id = id;
  line.className = "al-small al-soft";
  line.setAttribute("aria-live", "polite");
  const lines = field.closest(".field-line") ?? field.parentElement;
  const column = [...lines.children].find((child) => child.contains(field) && child !== field) ?? lines;
  const below = document.createElement("div");
  below.style.cssText = "flex-basis: 100%; padding-top: .4rem";
  below.append(line);
  column.style.flexWrap = "wrap";
  column.append(below);
  return line;
}

function sayWords(line, words, vocabulary) {
  line.replaceChildren();
  if (words.all) return;
  const known = words.understood.length ? `Understood: ${words.understood.join(", ")}.` : "";
  const ignored = words.ignored.length ? ` Ignored: ${words.ignored.join(", ")}.` : "";
  line.append(words.problem || `${known}${ignored}`, " ");
  line.classList.toggle("al-warn", Boolean(words.problem) || words.ignored.length > 0);
  const link = document.createElement("a");
  link.href = vocabulary;
  link.textContent = "All words that it knows";
  link.style.textDecoration = "underline";
  line.append(link);
}

/** Lambda over the steps as bars, for the strongest strength; the number of a step is below it. */
function drawCurve(box, curve, strength) {
  const [width, height, left, top, bottom] = [420, 132, 44, 12, 34];
  const picture = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "al-plot" });
  picture.setAttribute("aria-label", "strength of the guidance over the steps");
  const across = (width - left - 8) / curve.length;
  const floor = height - bottom;
  picture.append(make("line", { class: "al-grid", x1: left, x2: width - 8, y1: floor, y2: floor }));
  picture.append(make("text", { class: "al-tick", x: left - 6, y: top + 4, "text-anchor": "end" }, `${strength}`));
  picture.append(make("text", { class: "al-tick", x: left - 6, y: floor, "text-anchor": "end" }, "0"));
  for (const { number, alpha_bar, share } of curve) {
    const tall = Math.max(1, share * (floor - top));
    const x = left + (number - 1) * across;
    const bar = make("rect", { class: "al-bar al-bar-up", x, y: floor - tall, width: Math.max(1, across - 1) });
    bar.setAttribute("height", tall);
    bar.append(make("title", {}, `step ${number}, alpha-bar ${alpha_bar.toFixed(3)}: ${(share * strength).toPrecision(3)}`));
    picture.append(bar);
  }
  for (const step of [curve[0], curve.at(-1)]) {
    const x = left + (step.number - 0.5) * across;
    picture.append(make("text", { class: "al-tick", x, y: floor + 14, "text-anchor": "middle" }, `${step.number}`));
  }
  const middle = (left + width) / 2;
  picture.append(make("text", { class: "al-tick", x: middle, y: height - 4, "text-anchor": "middle" }, "step of the sampler"));
  box.replaceChildren(picture);
}

function start(form) {
  const prompt = form.elements.namedItem("prompt");
  const steps = form.elements.namedItem("steps"); // the strengths are hidden for searches without a rule
  if (!prompt || !steps) return;
  const words = lineBelow(prompt, "words-of-prompt");
  const cost = lineBelow(steps, "cost-of-recipe");
  const warning = lineBelow(steps, "warning-of-recipe");
  warning.classList.add("al-warn");
  const box = document.createElement("div");
  box.id = "curve-of-recipe";
  box.className = "al";
  box.style.maxWidth = "27rem";
  cost.before(box);
  let waiting = 0;
  let asked = 0;
  async function ask() {
    const own = ++asked;
    const query = new URLSearchParams(new FormData(form));
    query.delete("csrfmiddlewaretoken");
    const answer = await fetch(`../preview/?${query}`).catch(() => null);
    if (!answer?.ok || own !== asked) return;
    const { words: said, cost: price, curve, strengths, warnings, problem } = await answer.json();
    sayWords(words, said, "../vocabulary/");
    cost.textContent = problem || price;
    warning.textContent = problem ? "" : warnings.join(" ");
    box.hidden = Boolean(problem) || Math.max(...strengths) === 0;
    if (!box.hidden) drawCurve(box, curve, Math.max(...strengths));
  }
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(ask, PAUSE);
  };
  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  ask();
}

document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("#recipe_form");
  if (form) start(form);
});
