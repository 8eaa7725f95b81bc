// 100,000 events in a list: how long until something of it is seen.

import { api, launch, open, quiet, signIn, step } from "./tools.mjs";

const browser = await launch();
const page = await open(browser);
await signIn(page);

const paints = [];
await step("paging through the list", async () => {
  await page.goto("/ui/events");
  for (let turn = 0; turn < 9; turn += 1) {
    await page.goto(page.url());
    const paint = await page.evaluate(() => new Promise((told) => {
      new PerformanceObserver((list) => {
        const first = list.getEntriesByName("first-contentful-paint")[0];
        if (first) told(first.startTime);
      }).observe({ type: "paint", buffered: true });
    }));
    paints.push(paint);
    await page.getByRole("link", { name: "Older" }).click();
    await page.getByRole("link", { name: "Newest" }).waitFor();
  }
  quiet(page);
});
paints.sort((one, other) => one - other);
await browser.close();
console.log(`first paint: median ${Math.round(paints[4])} ms, worst ${Math.round(paints[8])} ms`);
console.log(`median_ms=${paints[4]}`);
