// Sorting by any column. Rows of one group (a method) stay together: the first leads, the others are folded beneath it.
const OPPOSITE = { ascending: "descending", descending: "ascending" };
const headsOf = (table) => [...table.tHead.rows[0].cells];
const sortButton = (table, key) => table.tHead.querySelector(`button[data-key="${CSS.escape(key)}"]`);

function valueOf(row, at) {
  const cell = row.cells[at], value = cell.dataset.value;
  if (value === undefined) return cell.matches(".none") ? null : cell.textContent.trim();
  return value !== "" && !Number.isNaN(Number(value)) ? Number(value) : value;
}
function compared(at, direction) {
  const sign = direction === "ascending" ? 1 : -1;
  return (a, b) => {
    const [x, y] = [valueOf(a, at), valueOf(b, at)];
    if (x === null || y === null) return (x === null) - (y === null);
    return sign * (typeof x === "string" || typeof y === "string" ? String(x).localeCompare(String(y), "en") : x - y);
  };
}
function groupsOf(table) {
  const groups = new Map();
  for (const row of table.tBodies[0].rows) {
    const name = row.dataset.group ?? groups.size;
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return [...groups.values()].map((rows) => rows.sort((a, b) => b.matches(".first") - a.matches(".first")));
}
function sortTable(table, key, direction) {
  const head = sortButton(table, key)?.closest("th");
  if (!head) return;
  const heads = headsOf(table), at = heads.indexOf(head), order = compared(at, direction), name = compared(0, "ascending");
  heads.forEach((one) => one.hasAttribute("aria-sort") && one.setAttribute("aria-sort", one === head ? direction : "none"));
  const groups = groupsOf(table).map(([lead, ...folded]) => [lead, ...folded.sort((a, b) => order(a, b) || name(a, b))]);
  groups.sort(([a], [b]) => order(a, b) || name(a, b));
  table.tBodies[0].append(...groups.flat());
  for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, index) => cell.classList.toggle("sorted", index === at && index > 0));
}
function nextDirection(table, button) {
  const now = button.closest("th").getAttribute("aria-sort");
  return OPPOSITE[now] ?? button.dataset.better;
}
for (const table of document.querySelectorAll("table.sortable")) {
  for (const button of table.tHead.querySelectorAll("button")) button.addEventListener("click", () => sortTable(table, button.dataset.key, nextDirection(table, button)));
}
for (const box of document.querySelectorAll(".page .scroll")) box.after(tableTools(box));
