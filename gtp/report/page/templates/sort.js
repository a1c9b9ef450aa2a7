// Makes the headings of tables buttons that sort the rows, each group of rows by itself.
"use strict";

function keyOf(row, column) {
  const cell = row.cells[column];
  const number = cell.dataset.key === undefined ? NaN : Number(cell.dataset.key);
  return { number, text: cell.textContent.trim() };
}

function compare(a, b) {
  if (Number.isNaN(a.number) !== Number.isNaN(b.number)) return null; // numbers come first, either way
  return Number.isNaN(a.number) ? a.text.localeCompare(b.text, "en") : a.number - b.number;
}

function sortBy(table, heading, column) {
  const isNumeric = heading.classList.contains("number");
  const before = heading.getAttribute("aria-sort");
  const direction = before === null ? (isNumeric ? "descending" : "ascending")
    : before === "ascending" ? "descending" : "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
    const keyed = rows.map((row) => ({ row, key: keyOf(row, column) }));
    keyed.sort((a, b) => {
      const order = compare(a.key, b.key);
      return order === null ? (Number.isNaN(a.key.number) ? 1 : -1) : sign * order;
    });
    for (const { row } of keyed) body.append(row);
  }
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.title = "Sort by this column";
    button.addEventListener("click", () => sortBy(table, heading, column));
    heading.append(button);
  });
}

// A link to a place inside closed details opens them, and so does printing.
function openAround(element) {
  for (let part = element; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
}
function openTarget() {
  if (location.hash) openAround(document.getElementById(location.hash.slice(1)));
}
let opened = [];
addEventListener("hashchange", openTarget);
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const details of opened) details.open = true;
});
addEventListener("afterprint", () => { for (const details of opened) details.open = false; });
openTarget();
