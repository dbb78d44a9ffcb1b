// The moment at which images are on the screen, on the clock of performance.now. They came somewhere between the
// frame that was made with them and the one after it: that time is told as the uncertainty (frames.js).

const nextFrame = () => new Promise((go) => requestAnimationFrame(go));

export async function painted(images) {
  await Promise.all(images.map((image) => image.decode()));
  const made = await nextFrame(); // the frame that will show them is being made
  const next = await nextFrame(); // it has been handed to the screen
  const moment = performance.now();
  document.dispatchEvent(new CustomEvent("almond-shown", { detail: { moment, uncertainty: next - made } }));
  return moment;
}

export function picture(image, alt) {
  const element = document.createElement("img");
  element.src = image.url;
  element.alt = alt;
  element.width = image.width;
  element.height = image.height;
  element.draggable = false;
  return element;
}

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
