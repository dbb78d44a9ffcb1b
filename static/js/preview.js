// Stands between the scripts of a participant's page and the site while a study is tried out. The site keeps nothing:
// this tab holds the answers, and sends all of them along with whatever is asked of the site. What would be stored is
// told to the page around the frame.
import { newId } from "./waiting.js";

const place = document.getElementById("config");
const config = JSON.parse(place.textContent);
const KEY = `almond-preview ${location.pathname}`;
const send = window.fetch.bind(window);

function readHeld() {
  const held = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  const same = held && held.participant === config.participant && held.began === config.began;
  return same ? held : { participant: config.participant, began: config.began, tab: newId(), answers: [] };
}

const held = readHeld();

function hold(answer, receivedAt) {
  if (held.answers.some(({ trial_id: trial }) => trial === answer.trial_id)) return;
  held.answers.push({ ...answer, received_at: receivedAt });
  sessionStorage.setItem(KEY, JSON.stringify(held));
}

function tell(reply) {
  if (!reply?.tables && !reply?.more) return;
  const { tables = [], more = [] } = reply;
  window.parent.postMessage({ almond: "preview", visit: `${held.tab} ${held.began}`, tables, more }, location.origin);
}

const { state, responses, events, finish } = config.urls;
const OWN = new Set([state, responses, events, finish]);

window.fetch = async (address, options = {}) => {
  if (!OWN.has(address)) return send(address, options);
  const posted = options.body ? JSON.parse(options.body) : {};
  const answers = address === events ? [] : held.answers;
  const answer = await send(address, {
    ...options,
    method: "POST",
    headers: { ...options.headers, "Content-Type": "application/json" },
    body: JSON.stringify({ posted, began: held.began, answers }),
  });
  const reply = await answer.clone().json().catch(() => null);
  if (address === responses && reply?.acknowledged) hold(posted, reply.kept.received_at);
  tell(reply);
  return answer;
};

const answer = await fetch(state).catch(() => null);
const reply = await answer?.json().catch(() => null);
if (answer?.ok) {
  // Two tabs of one browser are two visits.
  place.textContent = JSON.stringify({ ...config, participant: `${config.participant} ${held.tab}`, state: reply });
  await import(config.script);
} else if (reply?.reason) {
  location.reload(); // the link is over, or the design was changed: the page says so
}
