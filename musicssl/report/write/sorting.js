// Sorts the rows of a table by a column when its heading is clicked. Without this script the page is
// complete, in the order of the report.
"use strict";

// The number that a cell begins with (of "0.912 ± 0.003", "12 %", "≤0.01"), or null.
function toNumber(text) {
  const found = text.trim().replace("\u2212", "-").match(/^[<>≤≥+]?\s*(-?\d[\d,]*(\.\d+)?(e[-+]?\d+)?)/i);
  return found ? Number(found[1].replaceAll(",", "")) : null;
}

// Compares two texts: by their numbers, or by the alphabet. Cells without a number come last.
function compare(one, other, sign) {
  const [a, b] = [toNumber(one), toNumber(other)];
  if (a !== null && b !== null) return sign * (a - b);
  if (a !== null || b !== null) return a === null ? 1 : -1;
  return sign * one.localeCompare(other);
}

function sortBy(table, column) {
  const heads = [...table.tHead.rows[0].cells];
  const descending = heads[column].getAttribute("aria-sort") !== "descending";
  heads.forEach((head) => head.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
  const text = (row) => row.cells[column].textContent;
  const rows = [...table.tBodies[0].rows];
  rows.sort((one, other) => compare(text(one), text(other), descending ? -1 : 1));
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table")) {
  if (table.tBodies[0].rows.length < 2) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort by this column";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortBy(table, column));
  });
}
