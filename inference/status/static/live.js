// Keeps the page's parts up to date: fetches the page again and swaps what changed. Without it a reload does the same.
"use strict";
const PERIOD = 2000; // ms; a look costs the server a few ms
let tag = "";

async function refresh() {
  if (!document.hidden && document.querySelector("[data-live]")) {
    try {
      const headers = tag ? { "If-None-Match": tag } : {};
      const address = location.pathname + location.search.replace(/[?&]done=[^&]*/, "");
      const answer = await fetch(address, { headers: { Accept: "text/html", ...headers }, cache: "no-store" });
      if (answer.ok && new URL(answer.url).pathname === location.pathname) {
        tag = answer.headers.get("ETag") || "";
        swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
      }
      document.body.classList.toggle("stale", !answer.ok && answer.status !== 304);
    } catch {
      document.body.classList.add("stale");
    }
  }
  setTimeout(refresh, PERIOD);
}

function swap(fresh) {
  arrange(fresh);
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (!other || part.contains(document.activeElement)) continue;
    const open = new Set([...part.querySelectorAll("details[open]")].map(named));
    for (const details of other.querySelectorAll("details")) if (open.has(named(details))) details.open = true;
    if (other.innerHTML !== part.innerHTML) part.replaceChildren(...other.childNodes);
  }
}

// Sections that come or go: before the first project connects, there is no table, but what to do.
function arrange(fresh) {
  const main = document.querySelector("main");
  for (const section of main.querySelectorAll(":scope > [id]"))
    if (!fresh.getElementById(section.id) && !section.contains(document.activeElement)) section.remove();
  let last = null;
  for (const other of [...fresh.querySelectorAll("main > [id]")]) {
    const section = document.getElementById(other.id) || document.importNode(other, true);
    if (!section.isConnected) last ? last.after(section) : main.append(section);
    last = section;
  }
}

function named(details) {
  const place = details.closest("[data-key]");
  return (place ? place.dataset.key : "") + details.querySelector("summary").textContent;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-confirm]");
  if (button && !confirm(button.dataset.confirm)) event.preventDefault();
});
setTimeout(refresh, PERIOD);
