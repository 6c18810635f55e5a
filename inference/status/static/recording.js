// Zooming, moving and keys on a recording. All of it is links, too: without this script the page does the same, slower.
"use strict";
const LEAST_DRAG = 0.004; // of the width: less is a click
let loading = null;

function view() { return document.getElementById("recording"); }

async function load(address) {
  loading?.abort();
  loading = new AbortController();
  document.body.classList.add("stale");
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, signal: loading.signal });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("recording");
    if (!fresh) { location.href = address; return; }
    const open = new Set([...view().querySelectorAll("details[open]")].map((each) => each.dataset.key));
    for (const each of fresh.querySelectorAll("details")) each.open = open.has(each.dataset.key);
    view().replaceWith(fresh);
    history.replaceState(null, "", address);
    begin();
  } catch (error) {
    if (error.name !== "AbortError") location.href = address;
  }
  document.body.classList.remove("stale");
}

function window_of(first, last) {
  const rows = Number(view().dataset.rows);
  const address = new URL(view().querySelector("[data-go=whole]").href);
  first = Math.max(0, Math.min(Math.round(first), rows - 2));
  address.searchParams.set("first", first);
  address.searchParams.set("last", Math.max(first + 1, Math.min(Math.round(last), rows - 1)));
  return address.href;
}

function share(event, plot) {
  const box = plot.getBoundingClientRect();
  return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
}

document.addEventListener("pointerdown", (event) => {
  const plot = event.target.closest("svg.plot, svg.overview");
  if (!plot || event.button !== 0) return;
  event.preventDefault();
  const overview = plot.classList.contains("overview");
  const first = Number(view().dataset.first), last = Number(view().dataset.last), rows = Number(view().dataset.rows);
  const begun = share(event, plot);
  const inside = overview && begun * rows >= first && begun * rows <= last && last - first + 1 < rows;
  const brush = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  const wide = plot.viewBox.baseVal && plot.viewBox.baseVal.width ? plot.viewBox.baseVal.width : 0;
  const unit = (part) => (wide ? part * wide : `${100 * part}%`);
  brush.setAttribute("class", "brush");
  brush.setAttribute("y", wide ? "-2" : "0");
  brush.setAttribute("height", wide ? "104" : "100%");
  if (!inside) plot.append(brush);
  const move = (moved) => {
    const now = share(moved, plot);
    if (inside) {
      const at = Math.min(Math.max(0, first / rows + now - begun), 1 - (last - first + 1) / rows);
      plot.querySelector(".window").setAttribute("x", unit(at));
    } else {
      brush.setAttribute("x", unit(Math.min(begun, now)));
      brush.setAttribute("width", unit(Math.abs(now - begun)));
    }
  };
  const end = (ended) => {
    document.removeEventListener("pointermove", move);
    document.removeEventListener("pointerup", end);
    brush.remove();
    const now = share(ended, plot);
    if (Math.abs(now - begun) < LEAST_DRAG) return;
    if (inside) {
      const start = Math.min(Math.max(0, first + (now - begun) * rows), rows - (last - first + 1));
      load(window_of(start, start + last - first));
    } else {
      const from = overview ? 0 : first, over = overview ? rows : last - first + 1;
      load(window_of(from + Math.min(begun, now) * over, from + Math.max(begun, now) * over));
    }
  };
  document.addEventListener("pointermove", move);
  document.addEventListener("pointerup", end);
});

document.addEventListener("dblclick", (event) => {
  if (event.target.closest("svg.plot")) go("zoom out");
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.go");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  load(link.href);
});

const KEYS = {
  n: "next difference", p: "previous difference", "+": "zoom in", "-": "zoom out", 0: "whole", ArrowLeft: "earlier",
  ArrowRight: "later",
};

function go(name) {
  const link = view()?.querySelector(`[data-go="${name}"]`);
  if (link) load(link.href);
  return Boolean(link);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  if (event.key === "t") document.querySelector("a[rel=next]")?.click();
  else if (KEYS[event.key] && go(KEYS[event.key])) event.preventDefault();
});

function begin() { view()?.querySelector(".keys")?.removeAttribute("hidden"); }
begin();
