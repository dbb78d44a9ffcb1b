// Keeps the page of a waiting or running job up to date; loads it once more when the job has ended.
const EVERY_MS = 2000;
const page = document.getElementById("job");

function show(job) {
  const part = (name) => page.querySelector(`[data-job="${name}"]`);
  part("state").textContent = job.state;
  part("message").textContent = job.message;
  part("log").textContent = job.log || "Nothing yet.";
  part("bar").style.width = `${job.percent}%`;
  part("bar").parentElement.setAttribute("aria-valuenow", job.percent);
}

async function look() {
  const answer = await fetch(page.dataset.address, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  const job = await answer.json();
  show(job);
  if (!job.active) location.reload();
}

if (page && page.dataset.active === "true") {
  setInterval(() => look().catch(() => undefined), EVERY_MS);
}
