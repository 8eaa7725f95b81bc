// What JavaScript code expects of its surroundings, as far as a plugin has it.
// Runs before the plugin's own modules. What a plugin may not have says so, instead of ending
// the instance with a trap that names nothing.
import { log } from "hookgate:plugin/host@1.0.0";

function absent(what, instead) {
  return () => {
    throw new Error(`a plugin has no ${what}, so that every run of an event gives the same: ${instead}`);
  };
}

const noClock = absent("clock", "use the event's timeMs, or the request's receivedMs");
const RealDate = Date;
globalThis.Date = class Date extends RealDate {
  constructor(...parts) {
    if (parts.length === 0) noClock();
    super(...parts);
  }
  static now() {
    return noClock();
  }
};
globalThis.performance = { now: noClock };
Math.random = absent("randomness", "take what has to differ from the event's id");

const NOT_ASCII = /[^\x00-\x7f]/;

// By the engine's own base64 and URI functions: a loop over bytes would be ten times slower.
globalThis.TextEncoder = class TextEncoder {
  encoding = "utf-8";
  encode(text = "") {
    let latin = String(text);
    if (NOT_ASCII.test(latin)) latin = unescape(encodeURIComponent(latin.toWellFormed()));
    return Uint8Array.fromBase64(btoa(latin));
  }
};

// Always strict: half a character in an event is an error, not a question mark in the receiver's books.
globalThis.TextDecoder = class TextDecoder {
  encoding = "utf-8";
  fatal = true;
  constructor(label = "utf-8") {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(`no decoder for ${label}: only utf-8`);
  }
  decode(data = new Uint8Array()) {
    const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
    const latin = atob(bytes.toBase64());
    if (!NOT_ASCII.test(latin)) return latin;
    try {
      return decodeURIComponent(escape(latin));
    } catch {
      throw new TypeError("the bytes are not UTF-8");
    }
  }
};

function said(parts) {
  return parts.map((part) => (typeof part === "string" ? part : part instanceof Error ? String(part) : JSON.stringify(part) ?? String(part))).join(" ");
}

globalThis.console = Object.fromEntries(
  [["debug", "debug"], ["log", "info"], ["info", "info"], ["warn", "warn"], ["error", "error"]]
    .map(([name, level]) => [name, (...parts) => log(level, said(parts))]),
);
