// Where answers wait in this browser: one record each in IndexedDB, so that two tabs never write over each other.
// Where the browser offers no storage, they wait in memory, and nobody is told that they are kept.

const DATABASE = "almond";
const STORE = "answers";
const OF_PARTICIPANT = "participant";

function done(request) {
  return new Promise((go, fail) => {
    request.onsuccess = () => go(request.result);
    request.onerror = () => fail(request.error);
  });
}

function written(transaction) {
  return new Promise((go, fail) => {
    transaction.oncomplete = () => go();
    transaction.onabort = () => fail(transaction.error);
  });
}

async function openDatabase() {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => {
    const store = opening.result.createObjectStore(STORE, { keyPath: "response_id" });
    store.createIndex(OF_PARTICIPANT, OF_PARTICIPANT);
  };
  return done(opening);
}

export class Kept {
  constructor(database, participant) {
    this.database = database;
    this.participant = participant;
  }

  static async open(participant) {
    try {
      return new Kept(await openDatabase(), participant);
    } catch {
      return new Kept(null, participant); // storage is switched off
    }
  }

  get works() {
    return this.database !== null;
  }

  // The answers of this participant, in the order in which they were given.
  async read() {
    if (!this.works) return [];
    const index = this.database.transaction(STORE).objectStore(STORE).index(OF_PARTICIPANT);
    const records = await done(index.getAll(this.participant));
    return records.sort((one, other) => one.given - other.given).map(({ body }) => body);
  }

  // True when the answer is in the storage.
  async add(body) {
    if (!this.works) return false;
    const record = { response_id: body.response_id, participant: this.participant, given: Date.now(), body };
    try {
      const transaction = this.database.transaction(STORE, "readwrite", { durability: "strict" });
      transaction.objectStore(STORE).put(record);
      await written(transaction);
      return true;
    } catch {
      return false; // the storage is full, or was taken away meanwhile
    }
  }

  async remove(body) {
    if (!this.works) return;
    const transaction = this.database.transaction(STORE, "readwrite");
    transaction.objectStore(STORE).delete(body.response_id);
    await written(transaction).catch(() => undefined); // it is posted once more, which changes nothing
  }
}
