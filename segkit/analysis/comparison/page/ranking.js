// Ranking table: sorting and choice of columns.

function startRanking() {
  const table = element("ranking-table");
  for (const heading of table.tHead.querySelectorAll("th")) {
    heading.querySelector("button").addEventListener("click", () => sortBy(table, heading));
  }
  for (const box of document.querySelectorAll(".chooser input")) {
    box.addEventListener("change", () => showColumn(table, box.value, box.checked));
  }
  const chooser = document.querySelector(".chooser");
  chooser.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    chooser.open = false;
    chooser.querySelector("summary").focus();
  });
}

function sortBy(table, heading) {
  const opposite = { ascending: "descending", descending: "ascending" };
  const direction = opposite[heading.getAttribute("aria-sort")] ?? heading.dataset.first;
  for (const sorted of table.tHead.querySelectorAll("[aria-sort]")) sorted.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", direction);

  const sign = direction === "ascending" ? 1 : -1;
  const numeric = heading.classList.contains("number");
  const value = (row) => cellValue(row, heading.dataset.column, numeric);
  const rows = [...table.tBodies[0].rows].sort((a, b) => compareValues(value(a), value(b), sign));
  table.tBodies[0].append(...rows);
  table.classList.toggle("by-rank", heading.dataset.column === "rank");
  markSharedRanks(rows);
  element("sorted").textContent = `Sorted by ${heading.textContent.trim()}, ${direction}.`;
}

function cellValue(row, column, numeric) {
  const cell = [...row.cells].find((item) => item.dataset.column === column);
  return cell.dataset.value === "" || !numeric ? cell.dataset.value : Number(cell.dataset.value);
}

/** Mark rows that have the rank of the row above. */
function markSharedRanks(rows) {
  const ranks = rows.map((row) => cellValue(row, "rank", true));
  rows.forEach((row, i) => row.classList.toggle("follows", i > 0 && ranks[i] === ranks[i - 1]));
}

function showColumn(table, column, shown) {
  for (const cell of table.querySelectorAll("[data-column]")) {
    if (cell.dataset.column === column) cell.hidden = !shown;
  }
}

startRanking();
