// Shows the API's document, and sends what is typed to this gateway and to nobody else. Texts become
// text and never markup; the key stays in its field.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete", "options"];
let api;

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
}

function resolve(thing) {
  while (thing && thing.$ref) thing = thing.$ref.slice(2).split("/").reduce((at, step) => at[step], api);
  return thing ?? {};
}

function kind(schema) {
  const name = schema?.$ref?.split("/").pop();
  if (name) return name;
  if (schema?.type === "array") return `${kind(schema.items)}[]`;
  if (schema?.oneOf) return schema.oneOf.map(kind).join(" | ");
  return [schema?.type ?? "any"].flat().join(" | ");
}

/** A value to begin with: the document's example, or one of the right shape. */
function example(schema, depth = 0) {
  schema = resolve(schema);
  if (schema.example !== undefined) return schema.example;
  if (schema.default !== undefined && schema.default !== null) return schema.default;
  if (schema.enum) return schema.enum[0];
  const one = schema.oneOf ?? schema.allOf ?? schema.anyOf;
  if (one) return example(one.find((part) => resolve(part).type !== "null") ?? one[0], depth);
  const type = [schema.type].flat().find((type) => type !== "null");
  if (type === "object") {
    const needed = depth > 3 ? [] : schema.required ?? [];
    return Object.fromEntries(needed.map((name) => [name, example(schema.properties?.[name], depth + 1)]));
  }
  if (type === "array") return depth > 3 ? [] : [example(schema.items, depth + 1)];
  return { string: "text", integer: 1, number: 1, boolean: true }[type] ?? {};
}

function table(head, rows) {
  if (rows.length === 0) return undefined;
  return make("table", {},
    make("tr", {}, ...head.map((text) => make("th", {}, text))),
    ...rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell)))));
}

function members(schema) {
  schema = resolve(schema);
  const needed = new Set(schema.required ?? []);
  return table(["member", "type", "meaning"], Object.entries(schema.properties ?? {}).map(([name, member]) => [
    make("code", { class: needed.has(name) ? "required" : undefined }, name),
    kind(member), resolve(member).description ?? ""]));
}

async function send(method, path, form, output) {
  const query = new URLSearchParams();
  const headers = {};
  let address = path;
  for (const field of form.querySelectorAll("[data-in]")) {
    if (field.value === "") continue;
    const { in: place, name } = field.dataset;
    if (place === "path") address = address.replace(`{${name}}`, encodeURIComponent(field.value));
    if (place === "query") query.append(name, field.value);
    if (place === "header") headers[name] = field.value;
  }
  const key = document.getElementById("key").value;
  if (key) headers.authorization = `Bearer ${key}`;
  const body = form.querySelector("textarea");
  if (body) headers["content-type"] = body.dataset.type;
  if (query.size > 0) address += `?${query}`;
  output.textContent = `${method.toUpperCase()} ${address} …`;
  try {
    const answer = await fetch(address, { method, headers, body: body?.value, redirect: "error" });
    let text = await answer.text();
    try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* shown as it came */ }
    output.textContent = `${answer.status} ${answer.statusText}\n${text}`;
  } catch (error) {
    output.textContent = `no answer: ${error.message}`;
  }
}

function operation(path, method, described) {
  const parameters = (described.parameters ?? []).map(resolve);
  const content = Object.entries(resolve(described.requestBody).content ?? {});
  const [type, body] = content.find(([type]) => type === "application/json") ?? content[0] ?? [];
  const output = make("pre", { role: "status" });
  const form = make("form", { onsubmit: (event) => { event.preventDefault(); send(method, path, form, output); } });
  form.append(...[
    table(["parameter", "value", "meaning"], parameters.map((parameter) => [
      make("code", { class: parameter.required ? "required" : undefined }, parameter.name),
      make("input", { "data-in": parameter.in, "data-name": parameter.name, required: parameter.required, "aria-label": parameter.name }),
      `${kind(parameter.schema)} in ${parameter.in}. ${parameter.description ?? ""}`])),
    type && make("p", {}, "Body: ", make("code", {}, type)),
    type && make("textarea", { "data-type": type, "aria-label": "body", spellcheck: "false" },
      JSON.stringify(body.example ?? example(body.schema), null, 2)),
    type && members(body.schema),
    make("p", {}, make("button", {}, "Send")),
  ].filter(Boolean));
  const answers = Object.entries(described.responses ?? {}).map(([status, answer]) => {
    answer = resolve(answer);
    const kinds = Object.entries(answer.content ?? {}).map(([type, { schema }]) => `${type}: ${kind(schema)}`);
    return [status, answer.description ?? "", kinds.join(", ")];
  });
  return make("details", { "data-text": `${method} ${path} ${described.summary ?? ""} ${described.description ?? ""}`.toLowerCase() },
    make("summary", {}, make("span", { class: "method" }, method.toUpperCase()), make("code", {}, path), " ",
      make("span", { class: "about" }, described.summary ?? "")),
    described.description && make("p", {}, described.description),
    form, table(["answer", "meaning", "content"], answers), output);
}

function show() {
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((method) => item[method])) {
      const tag = item[method].tags?.[0] ?? "others";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(path, method, item[method]));
    }
  }
  const sections = [...groups].map(([tag, operations]) => make("section", {}, make("h2", {}, tag), ...operations));
  document.getElementById("operations").replaceChildren(...sections);
}

function find(event) {
  const words = event.target.value.toLowerCase().split(/\s+/);
  for (const section of document.querySelectorAll("section")) {
    const operations = [...section.querySelectorAll("details")];
    for (const one of operations) one.hidden = !words.every((word) => one.dataset.text.includes(word));
    section.hidden = operations.every((one) => one.hidden);
  }
}

document.getElementById("find").addEventListener("input", find);
document.getElementById("access").addEventListener("submit", (event) => event.preventDefault());
fetch("/openapi.json").then((answer) => answer.json()).then((document_) => { api = document_; show(); }).catch((error) => {
  document.getElementById("operations").textContent = `The document cannot be read: ${error.message}`;
});
