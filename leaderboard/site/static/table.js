// The results table: filters, differences to a chosen row, printed numbers. Sorting is vendor/sortable. All of it is kept in
// the address (#base=1&fair=1&sort=psnr:descending), so that a link shows what its sender saw.
"use strict";

const table = document.getElementById("results");
const deltas = JSON.parse(document.getElementById("deltas").textContent);
const heads = [...table.tHead.rows[1].cells];
const boxes = ["fair", "one", "ours", "printed"].map((id) => document.getElementById(id)).filter(Boolean);
const base = document.getElementById("base");

function state() {
  return new URLSearchParams(location.hash.slice(1));
}

function remember() {
  const now = new URLSearchParams();
  for (const box of boxes) if (box.checked) now.set(box.id, "1");
  if (base.value) now.set("base", base.value);
  const sorted = heads.find((head) => head.hasAttribute("aria-sort"));
  if (sorted) now.set("sort", `${sorted.dataset.metric || "method"}:${sorted.getAttribute("aria-sort")}`);
  const text = now.toString();
  if (text !== state().toString()) history.pushState(null, "", text ? `#${text}` : location.pathname);
}

function apply() {
  const on = Object.fromEntries(boxes.map((box) => [box.id, box.checked]));
  for (const row of table.querySelectorAll("tbody tr")) {
    const { fair, views, trained } = row.dataset;
    row.hidden = (on.fair && fair === "0") || (on.one && views !== "1") || (on.ours && trained === "0");
    for (const [place, head] of heads.entries()) if (head.dataset.metric) draw(row, row.cells[place], head);
  }
  document.getElementById("delta-note").hidden = !base.value;
  document.getElementById("measured").hidden = Boolean(on.printed);
  const printed = document.getElementById("printed-tables");
  if (printed) printed.hidden = !on.printed;
}

// One cell: its value as the page was written, or its difference to the chosen row.
function draw(row, cell, head) {
  const link = cell.firstElementChild;
  link.dataset.own ??= link.innerHTML;
  cell.classList.remove("better", "worse");
  if (!base.value) {
    link.innerHTML = link.dataset.own;
    return;
  }
  const own = Number(row.dataset.row), other = Number(base.value);
  const found = deltas[head.dataset.metric]?.[`${Math.min(own, other)}-${Math.max(own, other)}`];
  if (own === other || !found) {
    link.textContent = own === other ? "·" : "–";
    return;
  }
  const [value, low, high, separated] = own < other ? found : [-found[0], negated(found[2]), negated(found[1]), found[3]];
  const text = (number) => (number > 0 ? "+" : "") + number.toFixed(head.dataset.decimals);
  link.textContent = text(value);
  if (low !== null && high !== null) {
    const ends = document.createElement("span");
    ends.className = "pm";
    ends.textContent = ` [${text(low)}, ${text(high)}]`;
    link.append(ends);
  }
  if (separated) cell.classList.add((head.dataset.direction === "↑") === (value > 0) ? "better" : "worse");
}

function negated(number) {
  return number === null ? null : -number;
}

function restore() {
  const wanted = state();
  for (const box of boxes) box.checked = wanted.has(box.id);
  base.value = wanted.get("base") ?? "";
  const [metric, direction] = (wanted.get("sort") ?? "").split(":");
  const head = heads.find((one) => (one.dataset.metric || one.textContent) === metric);
  if (head && head.getAttribute("aria-sort") !== direction) {
    if (direction === "ascending") head.setAttribute("aria-sort", "descending");
    head.click();
  }
  apply();
}

document.getElementById("tools").addEventListener("change", () => (apply(), remember()));
table.addEventListener("sort-end", remember);
window.addEventListener("popstate", restore);
// after the listener of vendor/sortable is there
window.addEventListener("load", restore);
