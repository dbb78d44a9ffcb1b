// The page around a study that is tried out: fits the frame to the window, and lists what would be stored as the visit
// tells it (preview.js).
import { element } from "./painted.js";

const device = document.querySelector(".preview-device");
const screen = device.querySelector(".preview-screen");
const frame = screen.querySelector("iframe");
const rows = document.getElementById("rows");
const [width, height] = [Number(device.dataset.width), Number(device.dataset.height)];
const LAST_EVENTS = 50;
let visit = null;
let stored = [];
let events = null;

function fit() {
  const border = parseFloat(getComputedStyle(screen).borderLeftWidth) * 2;
  const room = device.parentElement.clientWidth - 40 - border;
  const high = Math.max(0.7, (window.innerHeight - 90) / height); // a whole telephone, where that is readable
  const scale = Math.min(1, room / width, device.closest(".phone") ? high : 1);
  screen.style.width = `${Math.round(width * scale)}px`;
  screen.style.height = `${Math.round(height * scale)}px`;
  frame.style.transform = scale < 1 ? `scale(${scale})` : "";
  document.getElementById("scale").textContent = scale < 1 ? `, shown at ${Math.round(scale * 100)} %` : "";
}

function cell(name, text, more = {}) {
  return element(name, { title: text, ...more }, text);
}

function table({ name, columns, rows: cells }) {
  const head = columns.map(([column, meaning]) => element("th", { scope: "col", title: meaning }, column));
  const body = cells.map((row) => element("tr", {}, ...row.map((text) => cell("td", text))));
  const whole = element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
  const label = `${name}.csv`;
  const place = element("div", { class: "preview-table", tabindex: "0", role: "group", "aria-label": label }, whole);
  return element("div", { "data-table": name }, element("h3", {}, `${label}, ${cells.length} row${cells.length === 1 ? "" : "s"}`), place);
}

function show() {
  const all = [...stored, ...(events ? [events] : [])].filter(({ rows: cells }) => cells.length > 0);
  const places = new Map([...rows.querySelectorAll("[data-table]")].map((one) => [one.dataset.table, one]));
  const left = (name) => places.get(name)?.querySelector(".preview-table").scrollLeft ?? 0;
  const fresh = all.map((one) => [table(one), left(one.name)]);
  rows.replaceChildren(...fresh.map(([one]) => one));
  for (const [one, from] of fresh) one.querySelector(".preview-table").scrollLeft = from;
  document.getElementById("rows-none").hidden = all.length > 0;
}

window.addEventListener("message", ({ origin, source, data }) => {
  if (origin !== location.origin || source !== frame.contentWindow || data?.almond !== "preview") return;
  if (data.visit !== visit) [visit, stored, events] = [data.visit, [], null];
  if (data.tables.length > 0) stored = data.tables;
  for (const more of data.more) {
    events = { ...more, rows: [...[...more.rows].reverse(), ...(events?.rows ?? [])].slice(0, LAST_EVENTS) };
  }
  show();
});
window.addEventListener("resize", fit);
fit();
