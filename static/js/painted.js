// The moment at which images are on the screen, on the clock of performance.now.

const nextFrame = () => new Promise((go) => requestAnimationFrame(() => go()));

export async function painted(images) {
  await Promise.all(images.map((image) => image.decode()));
  await nextFrame(); // the frame that will show them is being made
  await nextFrame(); // it has been handed to the screen
  return performance.now();
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

// The length of a frame in milliseconds, the median of eleven; null where the page draws none for a second.
export function frameLength() {
  return Promise.race([measuredFrames(), new Promise((go) => setTimeout(() => go(null), 1000))]);
}

async function measuredFrames() {
  const moments = [];
  for (let frame = 0; frame < 12; frame += 1) {
    moments.push(await new Promise((go) => requestAnimationFrame(go)));
  }
  const lengths = moments.slice(1).map((moment, number) => moment - moments[number]);
  return Math.round(lengths.sort((one, other) => one - other)[5] * 100) / 100;
}
