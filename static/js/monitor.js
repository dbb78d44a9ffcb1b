// Keeps the monitor of a study up to date: asks only while somebody can see it, less often while the site does not
// answer, and says how old the numbers are.
import { pause } from "./waiting.js";

const EVERY_MS = 5000;
const SOON_MS = 500; // while the server is still counting
const LONGEST_MS = 60000;
const PATIENCE_MS = 30000;
const SHARE = 4; // a look that took long is followed by so many times its time of rest

const page = document.getElementById("monitor");
const updated = document.getElementById("updated");
const trouble = document.getElementById("trouble");
let failures = 0;
let last = new Date();
let timer = null;
let looking = false;

const clock = (moment) => moment.toLocaleTimeString();

function say(text) {
  if (trouble.textContent !== text) trouble.textContent = text;
  trouble.hidden = text === "";
}

// Times in the zone of whoever looks; those of other days with their date.
function showTimes(part) {
  for (const time of part.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    const today = moment.toDateString() === new Date().toDateString();
    time.textContent = today ? clock(moment) : moment.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  }
}

function focusables(part) {
  return [...part.querySelectorAll("a, [tabindex]")];
}

// Puts a new part in place of the old one; where one was scrolled to and what has the focus stays.
function put(old, fresh) {
  const scrolled = [...old.querySelectorAll(".al-scroll")].map((box) => box.scrollLeft);
  const address = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const place = focusables(old).indexOf(document.activeElement);
  old.replaceWith(fresh);
  fresh.querySelectorAll(".al-scroll").forEach((box, number) => {
    box.scrollLeft = scrolled[number] ?? 0;
  });
  if (place < 0) return;
  const same = address && focusables(fresh).find((item) => item.getAttribute("href") === address);
  (same || focusables(fresh)[place])?.focus({ preventScroll: true });
}

function show(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const old = page.querySelector(`[data-part="${part.dataset.part}"]`);
    showTimes(part);
    if (old.outerHTML !== part.outerHTML) put(old, document.adoptNode(part));
  }
}

class LoggedOut extends Error {}

async function look() {
  const stop = new AbortController();
  const patience = setTimeout(() => stop.abort(), PATIENCE_MS);
  try {
    const answer = await fetch(page.dataset.address, { signal: stop.signal });
    if (answer.redirected) throw new LoggedOut("You are logged out: load the page again to log in.");
    if (!answer.ok) throw new Error(`The site answers with an error (${answer.status})`);
    const html = await answer.text();
    if (!html.includes("data-part=")) throw new Error("Something between here and the site answers in its place");
    show(html);
  } finally {
    clearTimeout(patience);
  }
}

function why(error) {
  return error instanceof TypeError || error.name === "AbortError" ? "The site cannot be reached" : error.message;
}

function sayUpdated() {
  updated.textContent = document.hidden
    ? `Counted at ${clock(last)}; waits until somebody looks`
    : `Counted at ${clock(last)}, again every few seconds`;
}

// Looks once, then says when to look again.
async function turn() {
  if (looking || document.hidden) return;
  looking = true;
  clearTimeout(timer);
  const begun = performance.now();
  let wait;
  try {
    await look();
    failures = 0;
    last = new Date();
    say("");
    const behind = Number(page.querySelector('[data-part="behind"]').dataset.behind) > 0;
    wait = behind ? SOON_MS : Math.max(EVERY_MS, SHARE * (performance.now() - begun));
  } catch (error) {
    if (error instanceof LoggedOut) {
      say(error.message);
      return; // nothing comes by itself any more
    }
    wait = Math.max(EVERY_MS, pause(failures, { longest: LONGEST_MS }));
    failures += 1;
    say(`${why(error)}: these numbers are of ${clock(last)}. Next try at ${clock(new Date(Date.now() + wait))}.`);
  } finally {
    looking = false;
  }
  sayUpdated();
  timer = setTimeout(turn, wait);
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  sayUpdated();
  turn();
});
window.addEventListener("online", turn);
showTimes(page);
sayUpdated();
timer = setTimeout(turn, EVERY_MS);
