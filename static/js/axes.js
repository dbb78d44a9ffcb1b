// Images on two axes: hover shows the picture, a click opens its history, a line drawn around dots chooses them.

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 48, BOTTOM = 36, MARGIN = 14;
const COLOURS = ["#2d6d6c", "#b4532a", "#5b4b9a", "#8a6d1d", "#a03a63", "#3a6ea5"];
const UNGUIDED = "#8a8f94";
const CLICK = 4;

const data = JSON.parse(document.getElementById("axes-points").textContent);
const plane = document.getElementById("plane");
const narrow = plane && plane.clientWidth < 480;
const [WIDTH, HEIGHT] = narrow ? [340, 340] : [640, 480];
if (plane) start();

function make(name, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

/** Round numbers inside an interval, five or so. */
function ticks(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

/** Whether a place lies inside a polygon, by crossings of a ray. */
export function inside([x, y], polygon) {
  let within = false;
  polygon.forEach(([ax, ay], index) => {
    const [bx, by] = polygon[(index + 1) % polygon.length];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
  });
  return within;
}

function start() {
  plane.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  const across = document.getElementById("axis-x"), up = document.getElementById("axis-y");
  const targets = [...new Set(data.points.map((point) => point.target).filter(Boolean))];
  const chosen = new Set();
  let dots = [];
  let scale = null;

  function colour(point) {
    return point.target ? COLOURS[targets.indexOf(point.target) % COLOURS.length] : UNGUIDED;
  }

  function range(axis) {
    const values = data.points.map((point) => point.at[axis]);
    const low = Math.min(...values), high = Math.max(...values);
    const pad = (high - low || 1) * 0.05;
    return [low - pad, high + pad];
  }

  function draw() {
    const [x, y] = [Number(across.value), Number(up.value)];
    const [left, right] = range(x), [low, high] = range(y);
    scale = (point) => [
      LEFT + ((point.at[x] - left) / (right - left)) * (WIDTH - LEFT - MARGIN),
      HEIGHT - BOTTOM - ((point.at[y] - low) / (high - low)) * (HEIGHT - BOTTOM - MARGIN),
    ];
    plane.replaceChildren();
    for (const value of ticks(left, right)) {
      const [place] = scale({ at: { [x]: value, [y]: low } });
      plane.append(make("line", { class: "al-grid", x1: place, x2: place, y1: MARGIN, y2: HEIGHT - BOTTOM }));
      plane.append(make("text", { class: "al-tick", x: place, y: HEIGHT - BOTTOM + 14, "text-anchor": "middle" },
        String(Number(value.toPrecision(4)))));
    }
    for (const value of ticks(low, high)) {
      const [, place] = scale(x === y ? { at: { [x]: value } } : { at: { [x]: left, [y]: value } });
      plane.append(make("line", { class: "al-grid", x1: LEFT, x2: WIDTH - MARGIN, y1: place, y2: place }));
      plane.append(make("text", { class: "al-tick", x: LEFT - 6, y: place + 3, "text-anchor": "end" },
        String(Number(value.toPrecision(4)))));
    }
    plane.append(make("text", { class: "al-tick", x: (LEFT + WIDTH) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, data.axes[x]));
    plane.append(make("text", { class: "al-tick", x: 12, y: HEIGHT / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${HEIGHT / 2})` }, data.axes[y]));
    dots = data.points.map((point) => {
      const [cx, cy] = scale(point);
      const link = make("a", { href: point.page, "aria-label": point.label });
      const dot = make("circle", { cx, cy, r: 4.5, fill: colour(point), "fill-opacity": 0.75 });
      link.append(dot);
      link.addEventListener("pointerenter", () => show(point));
      link.addEventListener("focus", () => show(point));
      link.addEventListener("click", (event) => moved && event.preventDefault());
      link.addEventListener("dragstart", (event) => event.preventDefault());
      plane.append(link);
      return dot;
    });
    mark();
  }

  function show(point) {
    const image = Object.assign(document.createElement("img"), { src: point.url, alt: point.label, className: "al-picture" });
    image.style.maxWidth = "16rem";
    const link = Object.assign(document.createElement("a"), { href: point.page, textContent: "History" });
    const line = document.createElement("p");
    line.append(`${point.label}. `, link);
    document.getElementById("preview").replaceChildren(image, line);
  }

  function mark() {
    data.points.forEach((point, index) => {
      dots[index].setAttribute("stroke", chosen.has(point.id) ? "currentColor" : "none");
      dots[index].setAttribute("stroke-width", 2);
    });
    const field = document.getElementById("images");
    if (!field) return;
    field.value = [...chosen].join(",");
    document.getElementById("chosen").textContent = String(chosen.size);
    document.getElementById("make").disabled = chosen.size === 0;
  }

  let line = null, outline = null, moved = false;

  function place(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(plane.getScreenCTM().inverse());
    return [point.x, point.y];
  }

  plane.addEventListener("pointerdown", (event) => {
    line = [place(event)];
    moved = false;
    outline = make("polyline", { fill: "currentColor", "fill-opacity": 0.08, stroke: "currentColor", "stroke-dasharray": "4 3" });
  });
  plane.addEventListener("pointermove", (event) => {
    if (!line) return;
    const [x, y] = place(event);
    if (!moved && Math.hypot(x - line[0][0], y - line[0][1]) < CLICK) return;
    if (!moved) {
      moved = true;
      plane.append(outline);
      plane.setPointerCapture(event.pointerId);
    }
    line.push([x, y]);
    outline.setAttribute("points", line.map((pair) => pair.join(",")).join(" "));
  });
  plane.addEventListener("pointerup", () => {
    if (moved) {
      for (const point of data.points) if (inside(scale(point), line)) chosen.add(point.id);
      mark();
    }
    outline?.remove();
    line = null;
  });
  plane.addEventListener("pointercancel", () => {
    outline?.remove();
    line = null;
  });

  document.getElementById("clear")?.addEventListener("click", () => {
    chosen.clear();
    mark();
  });
  across.addEventListener("change", draw);
  up.addEventListener("change", draw);

  const key = document.getElementById("key");
  for (const [name, fill] of [["unguided", UNGUIDED], ...targets.map((name, i) => [name, COLOURS[i % COLOURS.length]])]) {
    const entry = document.createElement("span"), swatch = document.createElement("i");
    swatch.style.background = fill;
    entry.append(swatch, name);
    key.append(entry);
  }
  draw();
}
