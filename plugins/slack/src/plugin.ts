// slack: turns an event into a message for a Slack incoming webhook.
//
// Text and blocks come from the config; {/pointer} in them stands for a value of the event.
// It sends nothing itself and knows nothing of Slack's answers: the delivery does that.
import { type Event, InvalidConfig, type Json, any, deliver, integer, list, object, optional, plugin, string } from "../../sdk/js/hookgate.js";

/** Slack refuses a message with more. */
const MAX_BLOCKS = 50;
const MAX_DEPTH = 32;

/** Makes a part of the message for one event. */
type Part = (view: View) => Json;

interface View {
  event: Event;
  /** The event's data, read once. */
  data: unknown;
  /** The same with every number as it was written, once it was asked for. */
  exact?: View;
  missing: string;
  maxValueChars: number;
}

const shape = object({
  text: string,
  blocks: optional(list(any)),
  missing: optional(string, ""),
  max_value_chars: optional(integer, 500),
});

export default plugin({
  config(value) {
    const { text, blocks, missing, max_value_chars } = shape(value);
    if (text === "") throw new InvalidConfig("text: expected some text: Slack shows it in notifications");
    if (blocks && blocks.length > MAX_BLOCKS) throw new InvalidConfig(`blocks: Slack takes at most ${MAX_BLOCKS}`);
    if (max_value_chars < 1 || max_value_chars > 3000) throw new InvalidConfig("max_value_chars lies from 1 to 3000");
    const message = blocks === undefined ? { text } : { text, blocks };
    return { message: part(message, "", "", 0), missing, maxValueChars: max_value_chars };
  },

  transform(event, { message, missing, maxValueChars }) {
    return deliver({ json: message({ event, data: dataOf(event), missing, maxValueChars }) });
  },
});

/** `name` is the member that `value` stands in: only in members called text, Slack reads &, < and >. */
function part(value: any, at: string, name: string, depth: number): Part {
  if (depth > MAX_DEPTH) throw new InvalidConfig(`${at}: deeper than ${MAX_DEPTH} levels`);
  if (typeof value === "string") return template(value, at, name === "text" ? escaped : (text) => text);
  if (typeof value !== "object" || value === null) return () => value;
  if (Array.isArray(value)) {
    const parts = value.map((item, index) => part(item, `${at}[${index}]`, "", depth + 1));
    return (view) => parts.map((it) => it(view));
  }
  const parts = Object.entries(value).map(([name, item]) => [name, part(item, at ? `${at}.${name}` : name, name, depth + 1)] as const);
  return (view) => Object.fromEntries(parts.map(([name, it]) => [name, it(view)]));
}

/** `{/pointer}` is a value, `{{` and `}}` are braces. What the config itself says is not escaped. */
function template(text: string, at: string, escape: (text: string) => string): Part {
  const pieces: ((view: View) => string)[] = [];
  for (const [piece, pointer] of text.matchAll(/\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+/g)) {
    if (pointer !== undefined) {
      const find = place(pointer, at);
      pieces.push((view) => escape(cut(shown(exactly(find, view)) ?? view.missing, view.maxValueChars)));
    } else if (piece === "{" || piece === "}") {
      throw new InvalidConfig(`${at}: a lone brace: write {/pointer} for a value, {{ and }} for braces`);
    } else {
      const plain = piece === "{{" ? "{" : piece === "}}" ? "}" : piece;
      pieces.push(() => plain);
    }
  }
  return (view) => pieces.map((piece) => piece(view)).join("");
}

const OWN: Record<string, (event: Event) => unknown> = {
  id: (event) => event.id,
  source: (event) => event.source,
  type: (event) => event.type,
  subject: (event) => event.subject ?? undefined,
  time: (event) => new Date(event.timeMs).toISOString(),
  tenant: (event) => event.tenant,
  key: (event) => event.key ?? undefined,
  content_type: (event) => event.contentType,
};

function place(pointer: string, at: string): (view: View) => unknown {
  const steps = pointer.split("/").slice(1).map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
  const [first, ...below] = steps;
  if (pointer.startsWith("/")) {
    if (first === "data") return (view) => below.reduce(member, view.data);
    if (first === "attributes" && below.length === 1) return (view) => member(view.event.attributes, below[0]);
    if (Object.hasOwn(OWN, first) && below.length === 0) return (view) => OWN[first](view.event);
  }
  throw new InvalidConfig(
    `${at}: {${pointer}} names no part of an event: write ${Object.keys(OWN).map((it) => `/${it}`).join(", ")}, /attributes/NAME, or /data and what lies below it`,
  );
}

function member(value: any, step: string): unknown {
  if (Array.isArray(value)) return /^(0|[1-9]\d*)$/.test(step) ? value[Number(step)] : undefined;
  return typeof value === "object" && value !== null && Object.hasOwn(value, step) ? value[step] : undefined;
}

function dataOf(event: Event): unknown {
  if (event.data.length === 0) return undefined;
  return isJson(event) ? event.json() : event.text();
}

function isJson(event: Event): boolean {
  const type = event.contentType;
  return type === "application/json" || /[/+]json\s*(;|$)/i.test(type);
}

/** Numbers that a double would change stay as they were written. That takes a second reading: only for what holds numbers. */
function exactly(find: (view: View) => unknown, view: View): unknown {
  const value = find(view);
  if ((typeof value !== "number" && typeof value !== "object") || value === null || !isJson(view.event)) return value;
  view.exact ??= { ...view, data: view.event.exactJson() };
  return find(view.exact);
}

function shown(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

function cut(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  // A character outside the basic plane is two units, and half of it is none.
  return `${text.slice(0, maxChars - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
