// The end page of somebody who came from a panel: back there after a while, unless they want to read on. The page is shown only once the server has every answer.
const SECONDS = 20;

const place = document.querySelector("[data-way-back]");
const countdown = document.getElementById("countdown");
const seconds = document.getElementById("seconds");
let left = SECONDS;
let timer = null;

function show() {
  seconds.textContent = String(left);
}

function tick() {
  left -= 1;
  show();
  if (left > 0) return;
  clearInterval(timer);
  location.assign(place.dataset.wayBack);
}

document.getElementById("stay").addEventListener("click", () => {
  clearInterval(timer);
  countdown.hidden = true;
  place.querySelector("a").focus();
});
// Whoever comes back with the browser's button has seen the way already, and is not sent there again.
if (performance.getEntriesByType("navigation")[0]?.type !== "back_forward") {
  show();
  countdown.hidden = false;
  timer = setInterval(tick, 1000);
}
