// The short journey of every run: in, the overview that moves, an event's way, out.

import assert from "node:assert/strict";
import { accessible, api, fits, launch, open, pictured, quiet, signIn, step, until, url, key } from "./tools.mjs";

const browser = await launch();
const page = await open(browser);

await step("a wrong key is refused in words", async () => {
  await page.goto("/ui/events");
  await page.getByLabel("API key").fill("hgk_wrong");
  page.expected.push(401);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("not known").waitFor();
  await accessible(page);
  quiet(page);
});

await step("the right key leads to where one wanted to go", async () => {
  await page.goto("/ui/events");
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${url}/ui/events`);
});

await step("the overview moves while one looks", async () => {
  await page.goto("/ui");
  const sent = page.locator(".tiles dd").first();
  const before = await sent.textContent();
  await api("POST", "/v1/events", { type: "invoice.paid", data: { id: 1 } });
  await until("the count of events moved", async () => (await sent.textContent()) !== before);
  assert.equal(page.url(), `${url}/ui`, "without loading the page");
  await pictured(page, "overview", ["light", "dark"]);
  quiet(page);
});

await step("an event's way is drawn up to its attempt", async () => {
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Events" }).click();
  await page.getByRole("rowheader").getByRole("link", { name: "invoice.paid" }).first().click();
  await page.getByText("Attempt 1").waitFor();
  await page.getByRole("link", { name: "Look closer" }).first().click();
  await page.getByRole("heading", { name: "Through the plugins" }).waitFor();
  await accessible(page);
  await fits(page);
  quiet(page);
});

await step("the keyboard gets past the navigation, and out", async () => {
  await page.goto("/ui/deliveries");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await page.getByRole("button", { name: "Sign out" }).focus();
  await page.keyboard.press("Enter");
  await page.getByLabel("API key").waitFor();
  quiet(page);
});

await browser.close();
console.log("journey is over");
