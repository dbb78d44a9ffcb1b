// What the scripts say, in the language of the page. They are written in English; for another language the page brings
// a catalogue of each English text -> its translation (locale/LANGUAGE/scripts.json). A text with a count is filed under
// its English plural, with one translation for each plural form that the language has: {one: ..., other: ...}.
// Only texts in quotes can be filed: tests/site/test_languages.py reads the calls of these two functions.

const page = document.getElementById("words");
const catalogue = page ? JSON.parse(page.textContent) : {};

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (place, name) => (name in values ? String(values[name]) : place));
}

// A text; each {name} in it is replaced by the value of that name.
export function translate(text, values = {}) {
  return filled(catalogue[text] ?? text, values);
}

// A text about a number of things, which it may name as {count}.
export function translateCount(count, one, other, values = {}) {
  const forms = catalogue[other];
  const text = forms?.[new Intl.PluralRules(document.documentElement.lang).select(count)] ?? forms?.other;
  return filled(text ?? (count === 1 ? one : other), { count, ...values });
}
