// Waiting between attempts: twice as long each time, up to a limit, a little by chance so that many browsers
// that lost the same network do not all come back in the same moment.

export const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

export function pause(attempt, { first = 500, longest = 20000 } = {}) {
  return Math.min(longest, first * 2 ** attempt) * (0.75 + 0.5 * Math.random());
}

export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
