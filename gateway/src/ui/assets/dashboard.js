// What moves in the dashboard. Every page works without it, apart from what moves by itself.
"use strict";
(() => {
  const scheme = () => localStorage.getItem("hookgate-theme");
  const show = (wanted) => {
    if (wanted) document.documentElement.dataset.theme = wanted;
    else delete document.documentElement.dataset.theme;
  };
  show(scheme());

  const all = (query, inside = document) => [...inside.querySelectorAll(query)];

  // Instants as distances, read anew each few seconds; the exact one stays in the title.
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const words = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "short" });
  const tellTimes = () => {
    for (const time of all("time[datetime]")) {
      const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
      if (!Number.isFinite(seconds)) continue;
      const [unit, length] = units.find(([, length]) => Math.abs(seconds) >= length) ?? units[3];
      const text = words.format(Math.trunc(seconds / length), unit);
      if (time.textContent !== text) time.textContent = text;
    }
  };

  // The theme: as the system has it, light, dark.
  const themes = () => {
    const button = document.querySelector("[data-theme-switch]");
    if (!button) return;
    const names = { "": "Theme: system", light: "Theme: light", dark: "Theme: dark" };
    const next = { "": "light", light: "dark", dark: "" };
    const tell = () => { button.textContent = names[scheme() ?? ""]; };
    button.hidden = false;
    button.addEventListener("click", () => {
      const wanted = next[scheme() ?? ""];
      if (wanted) localStorage.setItem("hookgate-theme", wanted);
      else localStorage.removeItem("hookgate-theme");
      show(wanted);
      tell();
    });
    tell();
  };

  // What the server sends while somebody looks. Made there, with everything foreign escaped.
  const live = () => {
    for (const region of all("[data-live]")) {
      const source = new EventSource(region.dataset.live);
      source.onmessage = (message) => {
        if (region.contains(document.activeElement)) return;
        region.innerHTML = message.data;
        region.dataset.moved = String(Number(region.dataset.moved ?? 0) + 1);
        tellTimes();
      };
      addEventListener("pagehide", () => source.close());
    }
  };

  // A part of the page that is fetched anew while it may change.
  const refresh = async (region) => {
    const every = Number(region.dataset.refresh);
    await new Promise((wake) => setTimeout(wake, every));
    if (document.hidden || region.contains(document.activeElement)) return refresh(region);
    const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main");
    const main = document.querySelector("main");
    const old = all("[data-refresh]", main).indexOf(region);
    const next = all("[data-refresh]", fresh)[old];
    if (next) {
      region.replaceChildren(...next.childNodes);
      tellTimes();
      return refresh(region);
    }
    main.replaceChildren(...fresh.childNodes);
    tellTimes();
  };

  // A form that is checked by the server while it is written.
  const checked = () => {
    for (const form of all("form[data-check]")) {
      const place = form.querySelector("[data-check-result]");
      let waiting, turn = 0;
      form.addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(async () => {
          const mine = ++turn;
          const body = new URLSearchParams(new FormData(form));
          const answer = await fetch(form.dataset.check, { method: "POST", body }).catch(() => null);
          if (!answer?.ok || answer.redirected || mine !== turn) return;
          place.innerHTML = await answer.text();
        }, 350);
      });
    }
  };

  const start = () => {
    tellTimes();
    setInterval(tellTimes, 5000);
    themes();
    live();
    all("[data-refresh]").forEach(refresh);
    checked();
    document.addEventListener("submit", (event) => {
      const asks = event.target.dataset.asks;
      if (asks && !confirm(asks)) event.preventDefault();
    });
    document.addEventListener("click", async (event) => {
      const copied = event.target.closest("[data-copy]");
      if (copied && getSelection().isCollapsed) {
        await navigator.clipboard?.writeText(copied.textContent).catch(() => {});
      }
      if (event.target.closest("[data-choose-all]")) {
        const boxes = all("input[type=checkbox][name=id]");
        const wanted = boxes.some((box) => !box.checked);
        for (const box of boxes) box.checked = wanted;
      }
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.target.closest("input, textarea, select")) return;
      const field = document.querySelector("search input, form.filter input");
      if (field) { event.preventDefault(); field.focus(); }
    });
    for (const form of all("form[data-send-at-once]")) form.requestSubmit();
  };
  document.addEventListener("DOMContentLoaded", start);
})();
