// Hookgate's SDK for plugins in JavaScript and TypeScript. Types and docs: hookgate.d.ts.
//
// What a plugin throws becomes a failure that Hookgate records; it never ends the instance.
import * as host from "hookgate:plugin/host@1.0.0";

const utf8 = new TextEncoder();
const strict = new TextDecoder();

export const encode = (text) => utf8.encode(text);
export const decode = (bytes) => strict.decode(bytes);

export class InvalidConfig extends Error {}
export class UnusableEvent extends Error {}
export class AgainLater extends Error {}

const FAILURES = new Map([
  [InvalidConfig, "invalid-config"],
  [UnusableEvent, "unusable-event"],
  [AgainLater, "again-later"],
]);

// --- What comes in ---

class Payload {
  text() {
    return strict.decode(this.data);
  }
  json(reviver) {
    const text = this.text();
    try {
      return JSON.parse(text, reviver);
    } catch (error) {
      throw error instanceof SyntaxError ? new UnusableEvent(`the data is not JSON: ${error.message}`) : error;
    }
  }
  // A number whose digits a double would lose stays as it was written.
  exactJson() {
    return this.json((_, value, { source }) =>
      typeof value === "number" && String(value) !== source ? JSON.rawJSON(source) : value);
  }
}

export class Event extends Payload {
  constructor(raw) {
    super();
    this.id = raw.id;
    this.source = raw.source;
    this.type = raw.eventType;
    this.subject = raw.subject;
    this.timeMs = raw.timeMs;
    this.tenant = raw.tenant;
    this.key = raw.key;
    this.contentType = raw.contentType;
    this.data = raw.data;
    this.attributes = raw.attributes.length === 0 ? {} : Object.fromEntries(raw.attributes.map(({ name, value }) => [name, value]));
  }
  with(changes) {
    const { json, ...fields } = changes;
    const data = json === undefined ? {} : { data: bytesOfJson(json) };
    return Object.assign(Object.create(Event.prototype), this, fields, data);
  }
}

export class Request extends Payload {
  constructor(raw) {
    super();
    this.method = raw.method;
    this.path = raw.path;
    this.query = raw.query;
    this.headers = raw.headers.map(({ name, value }) => [name, value]);
    this.data = raw.body;
    this.secret = raw.secret;
    this.receivedMs = raw.receivedMs;
  }
  get body() {
    return this.data;
  }
  header(name) {
    const wanted = name.toLowerCase();
    return this.headers.find(([name]) => name === wanted)?.[1];
  }
}

// --- What goes out ---

class Answer {
  constructor(of, tag, val) {
    this.of = of;
    this.raw = val === undefined ? { tag } : { tag, val };
  }
}

export const pass = () => new Answer("transform", "pass");
export const drop = (reason) => new Answer("transform", "drop", String(reason));
export const replace = (value) => new Answer("transform", "replace", bytesOf({ json: value }));
export const deliver = (message) =>
  new Answer("transform", "deliver", { ...content(message), headers: pairs(message.headers ?? {}) });

export const accept = (drafts) => new Answer("receiver", "accepted", drafts.map(draft));
export const reject = (reason) => new Answer("receiver", "rejected", String(reason));
export const challenge = (response) =>
  new Answer("receiver", "challenge", { ...content(response), status: response.status ?? 200 });

function draft({ type, id = null, subject = null, key = null, timeMs = null, ...parts }) {
  const { contentType, body } = content({ ...parts, body: parts.body ?? parts.data });
  return { eventType: String(type), id, subject, key, timeMs, contentType, data: body };
}

function content(parts) {
  const isText = parts.json === undefined && typeof parts.body === "string";
  const usual = isText ? "text/plain; charset=utf-8" : parts.json === undefined ? "application/octet-stream" : "application/json";
  return { contentType: parts.contentType ?? usual, body: bytesOf(parts) };
}

function bytesOf({ json, body }) {
  if (json instanceof Uint8Array) return json;
  if (json !== undefined) return bytesOfJson(json);
  if (body instanceof Uint8Array) return body;
  if (typeof body === "string") return utf8.encode(body);
  throw new TypeError("nothing to send: give json, or text or a Uint8Array");
}

function bytesOfJson(value) {
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`${typeof value} is not JSON`);
  return utf8.encode(text);
}

function pairs(headers) {
  const list = Array.isArray(headers) ? headers : Object.entries(headers);
  return list.map(([name, value]) => ({ name: String(name), value: String(value) }));
}

// --- What the host offers ---

export const dataUrl = () => host.dataUrl();

export const log = Object.fromEntries(
  ["debug", "info", "warn", "error"].map((level) => [level, (text) => host.log(level, String(text))]),
);

// --- The plugin ---

const CALLS = {
  transform: ["handle", (raw, config, call) => {
    const verdict = call(new Event(raw), config);
    return answered("transform", verdict, "pass(), drop(…), replace(…) or deliver(…)");
  }],
  filter: ["accepts", (raw, config, call) => {
    const accepts = call(new Event(raw), config);
    if (typeof accepts !== "boolean") throw wrongReturn("filter", accepts, "true or false");
    return accepts;
  }],
  fold: ["fold", (raw, config, call, later) => {
    const event = call(new Event(raw), new Event(later), config);
    if (!(event instanceof Event)) throw wrongReturn("fold", event, "later, earlier or later.with({ … })");
    const { type, attributes, ...same } = event;
    return { ...same, eventType: type, attributes: pairs(attributes) };
  }],
  receiver: ["receive", (raw, config, call) => {
    const reception = call(new Request(raw), config);
    return answered("receiver", reception, "accept([…]), challenge(…) or reject(…)");
  }],
};

export function plugin(parts) {
  const { config: read = (value) => value, ...calls } = parts;
  const config = once(() => read(JSON.parse(host.config()), ""));
  const exported = {};
  for (const [name, call] of Object.entries(calls)) {
    if (!(name in CALLS)) throw new TypeError(`plugin() knows no ${name}: there are config, ${Object.keys(CALLS).join(", ")}`);
    if (typeof call !== "function") throw new TypeError(`${name} is no function`);
    const [method, run] = CALLS[name];
    exported[name] = {
      [method](first, second) {
        try {
          return run(first, config(), call.bind(parts), second);
        } catch (error) {
          throw failure(error);
        }
      },
    };
  }
  return exported;
}

// A config that is wrong stays wrong: the reader is not asked again in this instance.
function once(read) {
  let result;
  return () => {
    if (result === undefined) {
      try {
        result = { value: read() };
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        result = { error: error instanceof AgainLater ? error : new InvalidConfig(text) };
      }
    }
    if (result.error) throw result.error;
    return result.value;
  };
}

function answered(of, answer, choices) {
  if (answer instanceof Answer && answer.of === of) return answer.raw;
  throw wrongReturn(of, answer, choices);
}

function wrongReturn(call, value, choices) {
  if (typeof value?.then === "function") {
    return new UnusableEvent(`${call} returned a promise: a plugin has nothing to wait for, so make it a plain function`);
  }
  return new UnusableEvent(`${call} returned ${value === undefined ? "nothing" : typeof value}: return ${choices}`);
}

function failure(error) {
  for (const [type, tag] of FAILURES) {
    if (error instanceof type) return { tag, val: error.message };
  }
  if (!(error instanceof Error)) return { tag: "unusable-event", val: String(error) };
  // A mistake in the code rather than in the event: its place helps.
  if (error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError) {
    host.log("debug", `${error}\n${error.stack ?? ""}`.trim());
  }
  return { tag: "unusable-event", val: error.message };
}

// --- Checks of a config ---

function refuse(at, expected, value) {
  const found = value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;
  throw new InvalidConfig(`${at || "the config"}: expected ${expected}, found ${value === undefined ? "nothing" : found}`);
}

const typed = (type, expected, rule = () => true) => (value, at = "") =>
  typeof value === type && rule(value) ? value : refuse(at, expected, value);

export const string = typed("string", "a string");
export const boolean = typed("boolean", "true or false");
export const number = typed("number", "a number");
export const integer = typed("number", "a whole number", Number.isSafeInteger);
export const any = (value) => value;

export const oneOf = (...choices) => (value, at = "") => {
  if (choices.includes(value)) return value;
  const names = choices.map((it) => JSON.stringify(it)).join(", ");
  throw new InvalidConfig(`${at || "the config"}: expected one of ${names}, found ${JSON.stringify(value) ?? "nothing"}`);
};

export function optional(check, otherwise) {
  return Object.assign((value, at = "") => (value === undefined ? otherwise : check(value, at)), { isOptional: true });
}

export const list = (check) => (value, at = "") =>
  Array.isArray(value) ? value.map((item, index) => check(item, `${at}[${index}]`)) : refuse(at, "a list", value);

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

export const record = (check) => (value, at = "") => {
  if (!isObject(value)) refuse(at, "an object", value);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, check(item, at ? `${at}.${name}` : name)]));
};

export const object = (members) => (value, at = "") => {
  if (!isObject(value)) refuse(at, "an object", value);
  const place = (name) => (at ? `${at}.${name}` : name);
  for (const name of Object.keys(value)) {
    if (!Object.hasOwn(members, name)) {
      throw new InvalidConfig(`${place(name)}: no such member; there are ${Object.keys(members).join(", ")}`);
    }
  }
  return Object.fromEntries(Object.entries(members).map(([name, check]) => [name, check(value[name], place(name))]));
};
