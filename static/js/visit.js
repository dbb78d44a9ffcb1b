// A visit as the server packs it, each thing once and named by its place (studies/services/visit.py), unpacked into
//   images   digest -> {url, width, height}
//   trials   {id, index, place: in its block, block, constructs, question, images: digests, done}
//   skipped  indices of the trials that are not asked
// The rest of it is as it came.
const DIGEST_BYTES = 32;

function digestsOf(packed) {
  const hex = Array.from(atob(packed), (byte) => byte.charCodeAt(0).toString(16).padStart(2, "0"));
  const digests = [];
  for (let first = 0; first < hex.length; first += DIGEST_BYTES) {
    digests.push(hex.slice(first, first + DIGEST_BYTES).join(""));
  }
  return digests;
}

export function unpacked({ images, asked, trials, done, skipped, ...visit }) {
  const digests = digestsOf(images.digests);
  const answered = new Set(done);
  const counted = visit.blocks.map(() => 0);
  const image = ([suffix, width, height], place) => {
    const url = images.address.replace("DIGEST", digests[place]).replace("SUFFIX", suffix);
    return [digests[place], { url, width, height }];
  };
  const trial = ([id, block, what, ...places], index) => {
    const [constructs, question] = asked[what];
    const shown = places.map((place) => digests[place]);
    const name = visit.blocks[block].name;
    counted[block] += 1;
    return { id, index, place: counted[block] - 1, block: name, constructs, question, images: shown, done: answered.has(index) };
  };
  return { ...visit, images: Object.fromEntries(images.rows.map(image)), trials: trials.map(trial), skipped: new Set(skipped) };
}
