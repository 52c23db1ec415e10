// Makes pages live; everything works without it. When the page's event stream says that something changed, the page is
// fetched again and its [data-live] elements are replaced by their ids, unless somebody is typing in one.
"use strict";

const said = document.getElementById("said");
let source = null;
let pending = false;
let again = false;

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
  // What happens while a page is on its way may not be in it.
  again = true;
  if (pending) return;
  pending = true;
  // While a form is on its way, the page it came from may be gone already.
  while (again && !document.querySelector("form[data-sent]")) {
    again = false;
    await fetchAnew();
  }
  pending = false;
}

async function fetchAnew() {
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
  // What asks on a page of its own without script need not ask again.
  if (question && form.elements.sure) form.elements.sure.value = "yes";
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

// Mail: what was done is said, and the heading has the focus, so that a screen reader begins there.
const inMail = location.pathname === "/mail" || location.pathname.startsWith("/mail/");
const form = document.querySelector("form[data-autosave]");
if (inMail) {
  const empty = form && [...form.querySelectorAll("#field-to, #field-subject, #field-text")].find((field) => !field.value.trim());
  const first = form ? empty || form.querySelector("#field-text") : document.querySelector("h1");
  if (first && !form) first.tabIndex = -1;
  first?.focus({ preventScroll: true });
  if (form && !empty) first.setSelectionRange(0, 0);
  const told = document.querySelector("[data-told] p");
  if (told) setTimeout(() => say(told.textContent), 200);
}

// Drafts save themselves. The answer's page has the draft's number and attachments, which take their place in the form.
let saving = false;
let waiting = null;

async function autosave() {
  if (!form || saving || !form.dataset.touched || form.dataset.sent) return;
  saving = true;
  delete form.dataset.touched;
  const saved = document.getElementById("saved");
  const files = form.querySelector("[type=file]").files.length;
  try {
    const data = new FormData(form);
    data.append("deed", "draft");
    const response = await fetch(form.action, { method: "POST", body: data, credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById("attachments");
    if (!response.ok || !fresh || !fresh.querySelector("[name=draft]").value) throw new Error("not saved");
    if (form.querySelector("[type=file]").files.length === files) {
      document.getElementById("attachments").replaceWith(document.importNode(fresh, true));
    }
    saved.textContent = form.dataset.autosave;
  } catch {
    form.dataset.touched = "1";
    saved.textContent = form.dataset.failed;
  } finally {
    saving = false;
    if (waiting) {
      delete form.dataset.sent;
      form.requestSubmit(waiting);
    }
  }
}
setInterval(autosave, 20000);
form?.addEventListener("submit", (event) => {
  // Two at a time would make two drafts.
  if (!saving) return;
  event.preventDefault();
  waiting = event.submitter;
});

// Proposed addresses are put behind those that stand in the field.
document.addEventListener("input", (event) => {
  const field = event.target.closest("[data-addresses]");
  if (!field?.list) return;
  const before = field.value.slice(0, field.value.lastIndexOf(",") + 1);
  for (const option of field.list.options) {
    option.dataset.address ??= option.value;
    option.value = before ? before + " " + option.dataset.address : option.dataset.address;
  }
});

// Single keys (see /mail/keys): never while somebody types, and not at all if they are switched off (WCAG 2.1.4).
const KEYS_OFF = "heimpost-keys-off";
const PLACES = { c: ".mail-side a.button", u: ".message-back a", "/": ".mail-search [name=q]" };

function keysAreOff() {
  try {
    return localStorage.getItem(KEYS_OFF) === "1";
  } catch {
    return false;
  }
}

function step(by) {
  const rows = [...document.querySelectorAll(".mail-lines > li > a")];
  const at = rows.indexOf(document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by;
  rows[next]?.focus();
}

function pickCurrent(always) {
  const box = document.activeElement.closest(".mail-lines > li")?.querySelector("[name=pick]");
  const any = document.querySelector("[name=pick]:checked");
  if (box && (always || !any)) box.checked = always ? !box.checked : true;
}

function press(key) {
  if (key === "j" || key === "k") return step(key === "j" ? 1 : -1);
  if (key === "x") return pickCurrent(true);
  if (key === "?") return location.assign("/mail/keys");
  const place = document.querySelector(PLACES[key] || `[data-key="${CSS.escape(key)}"]`);
  if (!place) return;
  if (place.matches("input")) return place.focus();
  if (place.name === "deed") pickCurrent(false);
  place.click();
}

document.addEventListener("keydown", (event) => {
  if (!inMail || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (event.target.matches("[name=pick]") && event.key === "Enter") {
    event.preventDefault();
    return event.target.closest("li")?.querySelector("a")?.click();
  }
  if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") || keysAreOff()) return;
  if (!"jkxecraufs/#?".includes(event.key) || event.key.length !== 1) return;
  event.preventDefault();
  press(event.key);
});

const keysSwitch = document.querySelector("[data-keys]");
if (keysSwitch) {
  keysSwitch.closest("[hidden]").hidden = false;
  keysSwitch.checked = !keysAreOff();
  keysSwitch.addEventListener("change", () => localStorage.setItem(KEYS_OFF, keysSwitch.checked ? "0" : "1"));
}

listen();
