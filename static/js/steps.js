// Shows one step of a picture at a time: what it predicted, its scores, the map over it (generation/admin/steps.py).
// Without this script the page shows the last step, and all of them side by side below.

function start(slider) {
  const steps = JSON.parse(document.getElementById("steps-data").textContent);
  const part = (name) => document.getElementById(`step-${name}`);
  const [picture, map, toggle] = ["picture", "map", "toggle"].map(part);
  const mark = document.querySelector(".al-step-mark");
  const ends = [Number(mark.dataset.first), Number(mark.dataset.last)];
  // Every picture is fetched once, so that the slider never waits.
  const fetched = steps.map(({ picture: own, overlay }) =>
    [own, overlay].map((address) => Object.assign(new Image(), { src: address })),
  );

  function show() {
    const at = Number(slider.value) - 1;
    const { step, alpha_bar, strength, readings } = steps[at];
    [picture.src, map.src] = fetched[at].map(({ src }) => src);
    picture.alt = `predicted picture at step ${step}`;
    part("number").textContent = step;
    const guided = strength ? `, guided at ${Number(strength.toPrecision(3))}` : "";
    part("facts").textContent = `alpha-bar ${alpha_bar.toFixed(3)}${guided}`;
    slider.setAttribute("aria-valuetext", `step ${step} of ${steps.length}, alpha-bar ${alpha_bar.toFixed(3)}${guided}`);
    const x = steps.length > 1 ? ends[0] + ((ends[1] - ends[0]) * at) / (steps.length - 1) : ends[0];
    mark.setAttribute("x1", x);
    mark.setAttribute("x2", x);
    readings.forEach(([, value], row) => {
      part("scores").rows[row].cells[1].textContent = value.toFixed(2).replace("-", "\u2212");
    });
  }

  slider.addEventListener("input", show);
  toggle.addEventListener("change", () => {
    map.hidden = !toggle.checked;
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input:not([type=range], [type=checkbox]), textarea, select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.key.toLowerCase() !== "m") return;
    toggle.click();
  });
  show();
}

document.addEventListener("DOMContentLoaded", () => {
  const slider = document.getElementById("step-slider");
  if (slider) start(slider);
});
