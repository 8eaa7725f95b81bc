// What journeys are written with: a real browser, a page that complains about nothing, pictures, and
// the rules of accessibility.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = join(process.env.HOOKGATE_BROWSER, "node_modules");
const { chromium } = await import(pathToFileURL(join(folder, "playwright-core/index.mjs")));
const rules = readFileSync(join(folder, "axe-core/axe.min.js"), "utf8");

export const url = process.env.GATEWAY_URL;
export const key = process.env.GATEWAY_KEY;
export const scene = JSON.parse(process.env.SCENE ?? "{}");
const pictures = process.env.PICTURES;
const sizes = [["phone", 390, 844], ["tablet", 820, 1180], ["desktop", 1440, 900]];

export async function launch() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
  return browser;
}

/// A page of its own; what the browser complains about is collected.
export async function open(browser, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 }, baseURL: url, reducedMotion: "reduce", ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.complaints = [];
  page.expected = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.complaints.push(message.text());
  });
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  page.on("dialog", (dialog) => dialog.accept());
  page.on("request", (request) => {
    if (!request.url().startsWith(url)) page.complaints.push(`asked elsewhere: ${request.url()}`);
  });
  return page;
}

/// Nothing was complained about apart from answers with a status that the journey wanted to see.
export function quiet(page) {
  const wanted = page.expected.splice(0);
  const rest = page.complaints.splice(0).filter((text) => {
    const at = wanted.findIndex((status) => text.includes(`status of ${status}`));
    if (at >= 0) wanted.splice(at, 1);
    return at < 0;
  });
  assert.deepEqual(rest, [], `the browser complains at ${page.url()}`);
}

/// No violation of the rules that axe knows, in the scheme that is shown.
export async function accessible(page) {
  await page.evaluate(rules);
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  const told = found.violations.map((rule) =>
    `${rule.id} (${rule.impact}): ${rule.help}\n  ` +
    rule.nodes.map((node) => `${node.target.join(" ")} ${node.failureSummary}`).join("\n  "));
  assert.deepEqual(told, [], `axe at ${page.url()}`);
}

/// Nothing is wider than the page.
export async function fits(page) {
  const over = await page.evaluate(() =>
    document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${page.url()} is ${over} px wider than the window`);
}

/// Three widths, light and dark; in each it fits and is accessible.
export async function pictured(page, name, schemes = ["light", "dark"]) {
  mkdirSync(pictures, { recursive: true });
  for (const scheme of schemes) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    for (const [size, width, height] of sizes) {
      await page.setViewportSize({ width, height });
      await fits(page);
      await page.screenshot({ path: join(pictures, `${name}-${size}-${scheme}.png`), fullPage: true });
      if (size !== "tablet") await accessible(page);
    }
  }
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  await page.setViewportSize({ width: 1440, height: 900 });
}

export async function signIn(page, secret = key) {
  await page.goto("/ui/login");
  await page.getByLabel("API key").fill(secret);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
}

/// The API as a program calls it.
export async function api(method, path, body) {
  const answer = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body && { "content-type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

export async function step(name, does) {
  const begun = performance.now();
  await does();
  console.log(`${name} (${Math.round(performance.now() - begun)} ms)`);
}

/// Asks again until there is an answer.
export async function until(what, ask) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    assert.ok(Date.now() < deadline, `in vain: ${what}`);
    await new Promise((wake) => setTimeout(wake, 50));
  }
}
