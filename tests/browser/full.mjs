// Every journey there is, in a real browser: pictures of each page at three widths, light and dark.

import assert from "node:assert/strict";
import { api, key, launch, open, pictured, quiet, scene, signIn, step, until, url } from "./tools.mjs";

const browser = await launch();
const page = await open(browser);
const main = page.getByRole("main");
const said = (text) => main.getByRole("status").filter({ hasText: text }).waitFor();
const press = (name) => main.getByRole("button", { name, exact: true }).click();

await step("signing in", async () => {
  await page.goto("/ui/login");
  await pictured(page, "login");
  await signIn(page);
  await pictured(page, "overview");
  quiet(page);
});

await step("events are found by type, time, id and state", async () => {
  await page.goto("/ui/events");
  await pictured(page, "events");
  await main.getByLabel("Type").fill("invoice.*");
  await press("Search");
  await main.getByRole("rowheader", { name: "invoice.paid" }).first().waitFor();
  await main.getByLabel("Type").fill("nothing.at.all");
  await press("Search");
  await main.getByText("No event was found.").waitFor();
  await main.getByLabel("Type").fill("a*b");
  await press("Search");
  await main.getByRole("alert").waitFor();
  await page.goto("/ui/events");
  await main.getByLabel("Id").fill(scene.event);
  await press("Search");
  await page.waitForURL(`**/ui/events/${scene.event}`);
  await pictured(page, "event");
  await page.goto("/ui/events");
  await main.getByLabel("With a delivery").selectOption("dead");
  await press("Search");
  await page.waitForURL("**/ui/deliveries?state=dead");
  quiet(page);
});

await step("a hostile event is only text", async () => {
  await page.goto(`/ui/events/${scene.hostile}`);
  await main.getByText("<script>alert").first().waitFor();
  assert.equal(await page.locator("main script, main img").count(), 0);
  assert.equal(await page.evaluate(() => window.hurt), undefined);
  await pictured(page, "event-hostile", ["light"]);
  quiet(page);
});

await step("a delivery's way, with what each plugin changed", async () => {
  await page.goto(`/ui/deliveries/${scene.delivery}`);
  await main.locator(".diff del").first().waitFor();
  await main.getByText("the same bytes").waitFor();
  await pictured(page, "delivery");
  await page.goto(`/ui/deliveries/${scene.dead}`);
  await main.getByText("Attempt 2").waitFor();
  await pictured(page, "delivery-dead", ["light"]);
  await press("Retry now");
  await said("put in line again");
  quiet(page);
});

await step("many deliveries once more: counted, asked, a job", async () => {
  await page.goto("/ui/deliveries?state=dead");
  await pictured(page, "deliveries");
  await press("Choose all on this page");
  await press("Retry chosen");
  await said("put in line again");
  await until("they are dead again", async () => {
    const dead = await api("GET", "/v1/deliveries?state=dead");
    return dead.data.length >= 3;
  });
  await page.goto("/ui/deliveries?state=dead");
  await press("Retry all that match…");
  await main.getByText("would be tried again").waitFor();
  await pictured(page, "deliveries-retry", ["light"]);
  await main.getByRole("button", { name: /^Retry \d/ }).click();
  await page.waitForURL("**/ui/jobs/job_*");
  await until("the job is done", async () => (await main.locator("h1 .state").textContent()) === "done");
  await pictured(page, "job", ["light"]);
  quiet(page);
});

let subscription;
await step("a subscription is made, and checked while it is written", async () => {
  await page.goto("/ui/subscriptions");
  await pictured(page, "subscriptions");
  await main.getByRole("link", { name: "New subscription" }).click();
  await main.getByLabel("Name").fill("Made in the dashboard");
  await main.getByLabel("Target").fill("ftp://nowhere");
  await main.locator("[data-check-result]").getByText("/target_url").waitFor();
  await main.getByLabel("Target").fill(scene.target);
  await main.locator("[data-check-result]").getByText("can be taken").waitFor();
  await main.getByLabel("Plugins").fill("[{");
  await main.locator("[data-check-result]").getByText("plugins must be JSON").waitFor();
  page.expected.push(422);
  await press("Subscribe");
  await main.getByRole("alert").first().waitFor();
  await main.getByLabel("Plugins").fill('[{"name": "skinny", "config": {"keep": ["/id"]}}]');
  await main.getByLabel("Event types").fill("made.*");
  await pictured(page, "subscription-new");
  await press("Subscribe");
  await said("whsec_");
  subscription = await main.locator("dl.facts code.copy").textContent();
  await pictured(page, "subscription-made", ["light"]);
  quiet(page);
});

await step("it is tested, paused, resumed, edited, rotated, explained", async () => {
  const here = `/ui/subscriptions/${subscription}`;
  await page.goto(here);
  await press("Send a test");
  await said("on its way");
  await until("the test arrived", async () => {
    await page.reload();
    return main.getByText("accepted 200").first().isVisible();
  });
  await page.goto(here);
  await press("Pause");
  await said("paused");
  await press("Resume");
  await said("goes on");
  await main.getByRole("link", { name: "Edit" }).click();
  await main.getByLabel("Name").fill("Renamed in the dashboard");
  await press("Save");
  await said("was changed");
  await press("Rotate secret");
  await said("whsec_");
  await page.goto(here);
  await main.getByLabel("Event: an id").fill('{"type": "other.type", "data": {}}');
  await press("Explain");
  await main.getByRole("heading", { name: "It does not get this event" }).waitFor();
  await pictured(page, "subscription-explained", ["light"]);
  quiet(page);
});

await step("a replay is counted before it is made", async () => {
  await page.goto(`/ui/subscriptions/${scene.subscription}`);
  await press("Count them…");
  await main.getByText("would be delivered once more").waitFor();
  await pictured(page, "replay", ["light"]);
  await main.getByRole("button", { name: /^Deliver \d/ }).click();
  await page.waitForURL("**/ui/jobs/job_*");
  await until("the job is done", async () => (await main.locator("h1 .state").textContent()) === "done");
  quiet(page);
});

await step("what was missed is visible and can be released", async () => {
  await page.goto(`/ui/subscriptions/${scene.gone}`);
  await main.getByRole("heading", { name: "Missed while it was not active" }).waitFor();
  await pictured(page, "subscription-missed", ["light", "dark"]);
  await press("Resume");
  await said("goes on");
  await press("Deliver them now");
  await page.waitForURL("**/ui/jobs/job_*");
  quiet(page);
});

await step("a plugin is uploaded, and not served before it was tried", async () => {
  await page.goto("/ui/plugins");
  await pictured(page, "plugins");
  await main.getByLabel("Name").fill("bench-press");
  await main.getByLabel("Component").setInputFiles({ name: "x.wasm", mimeType: "application/wasm", buffer: Buffer.from("no component") });
  page.expected.push(422);
  await press("Upload");
  await main.getByRole("alert").first().waitFor();
  for (const component of scene.components) {
    await page.goto("/ui/plugins");
    await main.getByLabel("Name").fill("bench-press");
    await main.getByLabel("Component").setInputFiles(component);
    await press("Upload");
    await said("passed all checks");
  }
  await pictured(page, "plugin-uploaded", ["light"]);
  quiet(page);
});

await step("the workbench runs a version over a stored event", async () => {
  await page.goto("/ui/plugins/skinny/try");
  await main.getByLabel("Stored event").selectOption(scene.event);
  await press("Take it");
  await main.getByLabel("Config").fill('{"keep": ["/id"]}');
  await press("Run");
  await main.locator("#result .diff del").first().waitFor();
  await pictured(page, "workbench");
  await main.getByLabel("Config").fill('{"keep": 7}');
  await press("Run");
  await main.locator("#result").getByText("failed").first().waitFor();
  await pictured(page, "workbench-failed", ["light"]);
  await page.goto("/ui/plugins/logs/try");
  await press("Run");
  await main.locator("#result .logs li").first().waitFor();
  assert.equal(await page.evaluate(() => window.hurt), undefined);
  quiet(page);
});

await step("versions are activated, given a share, and rolled back", async () => {
  await page.goto("/ui/plugins/bench-press");
  const row = (version) => main.getByRole("row").filter({ has: page.getByRole("rowheader", { name: `version ${version}`, exact: true }) });
  await row(1).getByRole("button", { name: "Activate" }).click();
  await said("Version 1 gets 100.00 %");
  await row(2).getByLabel("Share of version 2").fill("12.5");
  await row(2).getByRole("button", { name: "% canary" }).click();
  await said("Version 2 gets 12.50 %");
  await row(2).getByText("12.5 %").waitFor();
  await pictured(page, "plugin-canary");
  await press("End the canary");
  await said("gets 100.00 %");
  await row(2).getByRole("button", { name: "Activate" }).click();
  await said("Version 2 gets 100.00 %");
  await press("Roll back");
  await said("Version 1 gets 100.00 %");
  quiet(page);
});

await step("a backtest tells what would change", async () => {
  await page.goto("/ui/plugins/tested");
  await main.getByLabel("Candidate").selectOption("2");
  await main.getByLabel("Against").selectOption("1");
  await press("Start");
  await page.waitForURL("**/ui/jobs/job_*");
  await main.getByRole("heading", { name: "What would change" }).waitFor();
  await until("the job is done", async () => (await main.locator("h1 .state").textContent()) === "done");
  await pictured(page, "backtest");
  quiet(page);
});

await step("failures of a plugin lead to their events", async () => {
  await page.goto("/ui/plugins/failing");
  await pictured(page, "plugin-failing", ["light"]);
  await main.getByRole("link", { name: "Event", exact: true }).first().click();
  await page.waitForURL("**/ui/events/evt_*");
  quiet(page);
});

await step("keys, tenants, nodes, jobs, settings", async () => {
  await page.goto("/ui/keys");
  await main.getByLabel("What for").fill("a journey");
  await main.getByLabel("Role").selectOption("viewer");
  await press("Make key");
  await said("hgk_");
  await pictured(page, "keys");
  const row = main.getByRole("row").filter({ hasText: "a journey" });
  await row.getByRole("button", { name: "Revoke" }).click();
  await said("was revoked");
  await page.goto("/ui/tenants");
  await main.locator("section").filter({ hasText: "Limit what" }).getByLabel("Tenant").fill("acme");
  await main.getByLabel("Events a second").fill("500");
  await press("Set");
  await said("limits are set");
  await pictured(page, "tenants");
  for (const [place, name] of [["nodes", "Nodes"], ["jobs", "Jobs"], ["settings", "Settings in force"]]) {
    await page.goto(`/ui/${place}`);
    await page.getByRole("heading", { name, level: 1 }).waitFor();
    await pictured(page, place);
  }
  assert.ok(!(await page.content()).includes(key), "the settings show no secret");
  quiet(page);
});

await step("a portal's link shows one tenant, in its own looks", async () => {
  await page.goto("/ui/tenants");
  await main.locator("section").filter({ hasText: "portal" }).getByLabel("Tenant").fill("acme");
  await press("Make link");
  const link = await main.getByRole("status").locator("code").textContent();
  const guest = await open(browser);
  await guest.goto(link);
  await guest.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
  assert.equal(await guest.getByRole("link", { name: "Keys" }).count(), 0);
  const accent = await guest.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue("--accent"));
  assert.equal(accent.trim(), scene.accent);
  await guest.getByText(scene.name).first().waitFor();
  await pictured(guest, "portal");
  await guest.goto("/ui/events");
  assert.ok(!(await guest.content()).includes(scene.event), "no event of another tenant");
  guest.expected.push(410);
  await guest.goto(link);
  await guest.getByRole("heading", { name: "This link is used up" }).waitFor();
  quiet(guest);
  quiet(page);
});

await step("the theme is chosen and kept", async () => {
  await page.goto("/ui");
  const button = page.getByRole("button", { name: /^Theme/ });
  await button.click();
  await button.click();
  await page.getByRole("button", { name: "Theme: dark" }).waitFor();
  await page.reload();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  quiet(page);
});

await browser.close();
console.log("journey is over");
