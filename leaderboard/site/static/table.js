// The results table: filters, differences to a chosen row, printed numbers. Sorting is vendor/sortable. All of it is kept in
// the address (#base=1&fair=1&sort=psnr:descending), so that a link shows what its sender saw.
"use strict";

const table = document.getElementById("results");
const deltas = JSON.parse(document.getElementById("deltas").textContent);
const heads = [...table.tHead.rows[1].cells];
const nameOf = (head) => head.dataset.metric || head.textContent.trim();
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
  if (sorted) now.set("sort", `${nameOf(sorted)}:${sorted.getAttribute("aria-sort")}`);
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
  table.classList.toggle("differences", Boolean(base.value));
  for (const part of document.querySelectorAll(".measured")) part.hidden = Boolean(on.printed);
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
  const [value, low, high, ahead] = own < other ? found : [-found[0], negated(found[2]), negated(found[1]), -found[3]];
  const text = (number) => {
    const drawn = number.toFixed(head.dataset.decimals);
    return Number(drawn) === 0 ? drawn.replace("-", "") : (number > 0 ? "+" : "") + drawn;
  };
  link.textContent = text(value);
  if (low !== null && high !== null) {
    const ends = document.createElement("span");
    ends.className = "pm";
    ends.textContent = ` [${text(low)}, ${text(high)}]`;
    link.append(ends);
  }
  if (ahead) cell.classList.add(ahead > 0 ? "better" : "worse");
}

function negated(number) {
  return number === null ? null : -number;
}

function restore() {
  const wanted = state();
  for (const box of boxes) box.checked = wanted.has(box.id);
  base.value = wanted.get("base") ?? "";
  const [metric, direction] = (wanted.get("sort") ?? "").split(":");
  const head = heads.find((one) => nameOf(one) === metric);
  if (head && head.getAttribute("aria-sort") !== direction) {
    head.setAttribute("aria-sort", direction === "ascending" ? "descending" : "ascending");
    head.click();
  } else if (!head) {
    for (const one of heads) one.removeAttribute("aria-sort");
    for (const body of table.tBodies) body.append(...[...body.rows].sort((a, b) => a.dataset.row - b.dataset.row));
  }
  apply();
}

// Best first: vendor/sortable begins with ascending order where the table has the class "asc". Capturing, to be before it.
table.tHead.addEventListener("click", (event) => table.classList.toggle("asc", event.target.closest("th")?.dataset.direction !== "↑"), true);
table.tHead.addEventListener("keydown", (event) => {
  if (event.key === "Enter") event.target.click();
});
document.getElementById("tools").addEventListener("change", () => (apply(), remember()));
table.addEventListener("sort-end", remember);
window.addEventListener("popstate", restore);
// after the listener of vendor/sortable is there
window.addEventListener("load", restore);
