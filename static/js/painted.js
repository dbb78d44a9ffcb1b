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
