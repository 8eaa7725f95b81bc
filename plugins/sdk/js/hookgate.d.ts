// Types of Hookgate's SDK for plugins in JavaScript and TypeScript.

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json | undefined };

// --- What comes in ---

/** Bytes with readers. */
interface Payload {
  /** The stored bytes, untouched. */
  readonly data: Uint8Array;
  /** The data as text. Throws where it is not UTF-8. */
  text(): string;
  /** The data as JSON. Throws where it is not. Numbers become doubles: `exactJson` keeps every digit. */
  json<T = any>(reviver?: (this: any, name: string, value: any) => any): T;
  /**
   * As `json`, but a number that a double would change stays as it was written, and goes out so
   * again. It is an object then: pass it on, don't calculate with it. Several times slower.
   */
  exactJson<T = any>(): T;
}

/** One event, as its source sent it and as Hookgate stored it. */
export interface Event extends Payload {
  /** Unique within its tenant and source. A retry carries the same id. */
  readonly id: string;
  /** Where it comes from, for example `shop/orders`. */
  readonly source: string;
  /** What happened, in dotted words, for example `invoice.paid`. */
  readonly type: string;
  /** What it happened to, where the source says so. */
  readonly subject: string | null;
  /** When it happened, in milliseconds since 1970-01-01T00:00:00Z; `new Date(event.timeMs)` reads it. */
  readonly timeMs: number;
  /** Whose event it is. */
  readonly tenant: string;
  /** What keeps related events in order, for example a customer's number. */
  readonly key: string | null;
  /** Media type of the data, for example `application/json`. */
  readonly contentType: string;
  /** Extensions of the event, by name. */
  readonly attributes: Readonly<Record<string, string>>;
  /** The same event with other data. What `fold` gives back. */
  with(changes: Changes): Event;
}

/** Give `json`, or `data` with its `contentType`. */
export interface Changes {
  json?: unknown;
  data?: Uint8Array;
  contentType?: string;
  subject?: string | null;
  timeMs?: number;
  attributes?: Record<string, string>;
}

/** A request of a provider, as it arrived at the address of a source. */
export interface Request extends Payload {
  /** Upper case, for example `POST`. */
  readonly method: string;
  /** What follows the source's own address, at least `/`. */
  readonly path: string;
  /** Without the question mark, still encoded; empty where there is none. */
  readonly query: string;
  /** In the order of arrival, names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The bytes that a signature covers: the same as `data`. */
  readonly body: Uint8Array;
  /** The source's secret, where one was set. */
  readonly secret: string | null;
  /** When it arrived, in milliseconds since 1970-01-01T00:00:00Z: what to compare a signed timestamp with. */
  readonly receivedMs: number;
  /** The first value of a header, its name in any case. */
  header(name: string): string | undefined;
}

// --- What goes out ---

declare const of: unique symbol;

/** What to do with the event: made by `pass`, `drop`, `replace` or `deliver`. */
export interface Verdict { readonly [of]: "transform" }

/** What a request turned out to be: made by `accept`, `challenge` or `reject`. */
export interface Reception { readonly [of]: "receiver" }

/** Deliver the event as it is. Nothing is copied back. */
export function pass(): Verdict;
/** Finish without delivering. Recorded with the reason, never retried. */
export function drop(reason: string): Verdict;
/**
 * Deliver this as the event's data; all else stays. A `Uint8Array` goes as it is, every other
 * value as JSON: a string becomes a JSON string.
 */
export function replace(value: unknown): Verdict;
/** Deliver this instead of the event. */
export function deliver(message: Content & { headers?: Record<string, string> | [name: string, value: string][] }): Verdict;

/** Genuine: store these events, then answer 2xx. May be empty. */
export function accept(drafts: Draft[]): Reception;
/** Give the provider this answer, of status 200 unless said, and store nothing. */
export function challenge(response: Content & { status?: number }): Reception;
/** Not genuine, or not readable: answer 4xx. The reason stays with Hookgate. */
export function reject(reason: string): Reception;

/** Give `json`, or `body` as text or bytes. The content type follows from that unless it is said. */
export type Content = ({ json: unknown; body?: undefined } | { body: string | Uint8Array; json?: undefined }) & {
  contentType?: string;
};

/** An event to be stored. What is left out, Hookgate fills in. */
export type Draft = ({ json: unknown; data?: undefined } | { data: string | Uint8Array; json?: undefined }) & {
  /** In dotted words, for example `invoice.paid`. */
  type: string;
  /** The provider's id, so that its repeats are known as repeats. */
  id?: string | null;
  subject?: string | null;
  key?: string | null;
  /** In milliseconds since 1970-01-01T00:00:00Z; else the time of arrival. */
  timeMs?: number | null;
  contentType?: string;
};

// --- What the host offers ---

/** A signed address that answers with the whole event until it expires. */
export function dataUrl(): string;

/** Lines in the record of this call: at most 32 of 1 KiB, and 8 KiB in all. `console` writes there too. */
export const log: Readonly<Record<"debug" | "info" | "warn" | "error", (text: unknown) => void>>;

/** Text as UTF-8; half a character becomes U+FFFD. */
export function encode(text: string): Uint8Array;
/** UTF-8 as text. Throws where it is not. */
export function decode(bytes: Uint8Array): string;

// --- Failures: throw one. Any other thing that is thrown becomes an UnusableEvent of its message. ---

/** The subscription's config is wrong: the delivery is parked until its owner changes it. */
export class InvalidConfig extends Error {}
/** This event can't be handled, now or later: the subscription's `on_error` decides. */
export class UnusableEvent extends Error {}
/** Try this event again by the subscription's retry schedule. */
export class AgainLater extends Error {}

// --- The plugin ---

/** What a plugin does: the calls that plugin.toml exports, and how it reads its config. */
export interface Parts<Config> {
  /**
   * Checks the subscription's config, once for each instance. What it throws becomes an
   * `InvalidConfig`. Without it the calls get the config as it is.
   */
  config?: Check<Config>;
  /** Changes, replaces or drops an event on its way to one subscription. */
  transform?(event: Event, config: Config): Verdict;
  /** Says whether the subscription wants an event. */
  filter?(event: Event, config: Config): boolean;
  /** Merges two waiting events of one key. Id, source, type, tenant and key stay those of `later`. */
  fold?(earlier: Event, later: Event, config: Config): Event;
  /** Verifies a provider's request and turns it into events. */
  receiver?(request: Request, config: Config): Reception;
}

declare const made: unique symbol;

/** Give it to the kit: `export default plugin({ … })`. */
export interface Plugin { readonly [made]: true }

export function plugin<Config = any>(parts: Parts<Config>): Plugin;

// --- Checks of a config ---

/** Gives the value as its type, or throws with its place. */
export type Check<T> = (value: unknown, at?: string) => T;
/** What a check gives. */
export type Checked<C> = C extends Check<infer T> ? T : never;
/** A member that may be left out. */
export type Optional<T> = Check<T> & { readonly isOptional: true };

export const string: Check<string>;
export const boolean: Check<boolean>;
export const number: Check<number>;
/** A whole number that a double holds exactly. */
export const integer: Check<number>;
/** Whatever is there. */
export const any: Check<any>;
export function oneOf<const T extends readonly Json[]>(...choices: T): Check<T[number]>;
export function list<T>(check: Check<T>): Check<T[]>;
/** An object of any names, its values alike. */
export function record<T>(check: Check<T>): Check<Record<string, T>>;
/** May be left out; it is `otherwise` then. */
export function optional<T>(check: Check<T>): Optional<T | undefined>;
export function optional<T>(check: Check<T>, otherwise: T): Optional<T>;
/** An object of exactly these members: a misspelt one is refused, not ignored. */
export function object<M extends Record<string, Check<any>>>(members: M): Check<{ [Name in keyof M]: Checked<M[Name]> }>;
