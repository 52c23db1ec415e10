// Makes pages live; everything works without it. When the page's event stream says that something changed, the page is
// fetched again and its [data-live] elements are replaced by their ids, unless somebody is typing in one.
"use strict";

const said = document.getElementById("said");
let source = null;
let pending = false;

function say(text) {
  if (said) said.textContent = text;
}

function isBusy(element) {
  const active = document.activeElement;
  const holds = active && element.contains(active) && active.matches("input, select, textarea, button");
  const marked = element.querySelector("input:checked[name=pick], form[data-touched]");
  return Boolean(holds || marked);
}

async function refresh() {
  if (pending) return;
  pending = true;
  try {
    const response = await fetch(location.href, { headers: { "X-Live": "1" }, credentials: "same-origin" });
    if (!response.ok || response.redirected) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const old of document.querySelectorAll("[data-live][id]")) {
      const fresh = page.getElementById(old.id);
      if (!fresh || isBusy(old) || fresh.outerHTML === old.outerHTML) continue;
      old.replaceWith(document.importNode(fresh, true));
      if (fresh.dataset.live) say(fresh.dataset.live);
    }
  } catch {
    // The stream reconnects by itself and tells again.
  } finally {
    pending = false;
  }
}

function listen() {
  const path = document.body.dataset.events;
  if (!path || source) return;
  source = new EventSource(path);
  source.addEventListener("changed", refresh);
}

function rest() {
  if (source) source.close();
  source = null;
}

// A hidden tab holds no connection.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return rest();
  listen();
  if (document.body.dataset.events) refresh();
});
addEventListener("pagehide", rest);

// Forms that would lose something ask first; a second press while the first is under way does nothing.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const question = event.submitter?.dataset.ask || form.dataset.ask;
  if (question && !confirm(question)) return event.preventDefault();
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "1";
  setTimeout(() => delete form.dataset.sent, 3000);
});
document.addEventListener("input", (event) => {
  const form = event.target.closest("form");
  if (form) form.dataset.touched = "1";
});

// Buttons with data-copy put the text of the element they name on the clipboard.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const from = document.getElementById(button.dataset.copy);
  if (!from || !navigator.clipboard) return;
  await navigator.clipboard.writeText(from.textContent.trim());
  say(button.dataset.done || "");
  button.textContent = button.dataset.done || button.textContent;
});

listen();
