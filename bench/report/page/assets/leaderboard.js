// The leaderboard: all boards are sorted and filtered together; variants of a method are folded beneath its best row.
const COSTS = [
  { key: "training_seconds", title: "Training", show: inSeconds, better: "ascending", ticks: [1, 10, 60, 600, 3600, 36000, 360000] },
  { key: "users_per_second", title: "Users/s", show: brief, better: "descending", ticks: powers(10, 0, 9) },
  { key: "peak_memory_bytes", title: "Memory", show: inBytes, better: "ascending", ticks: powers(2, 20, 44) },
  { key: "trained_parameters", title: "Parameters", show: inThousands, better: "ascending", ticks: powers(10, 0, 12) },
];
const firstMetric = data.metrics.includes("ndcg@3") ? "ndcg@3" : data.metrics[0];
const sorting = { key: firstMetric, direction: "descending", metric: data.metrics.indexOf(firstMetric) };
const filters = { text: "", family: "", dataset: "", setting: "", toys: true, intervals: false, variants: false };
const parts = [...document.querySelectorAll("#page-leaderboard .part")].map((section) => ({
  section, board: boards.get(section.dataset.board), table: section.querySelector("table"),
  rows: [...section.querySelectorAll("tbody tr")], open: new Set(),
}));

function sortBoards() {
  for (const part of parts) {
    sortTable(part.table, sorting.key, sorting.direction);
    drawWhiskers(part);
  }
}
function drawWhiskers({ board, table, rows }) {
  const found = board.rows.map((row) => row.figures[sorting.metric]).filter(Boolean), chance = board.chance[sorting.metric];
  const scale = { low: Math.min(chance, ...found.map((one) => one.low)), high: Math.max(chance, ...found.map((one) => one.high)) };
  table.tHead.querySelector("[data-plot]").replaceChildren(data.metric_titles[sorting.metric], el("span", { class: "scale" }, el("span", {}, scale.low.toFixed(2)), el("span", {}, scale.high.toFixed(2))));
  for (const row of rows) {
    const own = board.rows[row.dataset.row], one = own.figures[sorting.metric];
    row.querySelector(".plot").replaceChildren(...(one ? [whisker(one, scale, own.family, chance)] : []));
  }
}
function sortBy(part, button) {
  sorting.direction = nextDirection(part.table, button);
  sorting.key = button.dataset.key;
  if (data.metrics.includes(sorting.key)) sorting.metric = data.metrics.indexOf(sorting.key);
  sortBoards();
}

function applyFilters() {
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0, folded = 0;
  for (const part of parts) {
    const inside = (!filters.dataset || part.board.dataset === filters.dataset) && (!filters.setting || part.board.setting === filters.setting);
    let rows = 0;
    for (const row of part.rows) {
      const own = part.board.rows[row.dataset.row];
      const fits = inside && (!filters.family || own.family === filters.family) && (filters.toys || !own.toy) && words.every((word) => row.dataset.words.includes(word));
      const isOpen = row.matches(".first") || filters.variants || words.length > 0 || part.open.has(row.dataset.group);
      row.hidden = !fits || !isOpen;
      rows += fits && isOpen;
      folded += fits && !isOpen;
    }
    for (const button of part.section.querySelectorAll(".fold")) {
      button.hidden = filters.variants || words.length > 0;
      button.setAttribute("aria-expanded", part.open.has(button.closest("tr").dataset.group));
    }
    part.section.hidden = rows === 0;
    shown += rows;
  }
  const page = document.getElementById("page-leaderboard"), isNarrowed = words.length || filters.family || filters.dataset || filters.setting;
  for (const summary of page.querySelectorAll(".summary")) summary.hidden = Boolean(isNarrowed);
  page.classList.toggle("no-intervals", !filters.intervals);
  document.getElementById("row-count").textContent = shown ? plural(shown, "row") + (folded ? `, ${plural(folded, "variant")} folded` : "") : "No rows match these filters.";
}
function setUpLeaderboard() {
  const set = (name) => (value) => { filters[name] = value; applyFilters(); };
  const every = (values, shown = (value) => value) => [["", "all"], ...[...new Set(values)].map((value) => [value, shown(value)])];
  const check = (name, text) => {
    const box = el("input", { type: "checkbox", checked: filters[name], on: { change: () => set(name)(box.checked) } });
    return el("label", { class: "check" }, box, text);
  };
  const datasetName = (name) => data.boards.find((board) => board.dataset === name).dataset_name;
  const search = el("input", { type: "search", value: filters.text, placeholder: "sasrec, clothing, tiny …", on: { input: () => set("text")(search.value) } });
  const controls = document.getElementById("filters");
  controls.addEventListener("submit", (event) => event.preventDefault());
  filled(controls, {}, [
    el("label", {}, "Search", search),
    choice("Family", every(data.families, familyName), filters.family, set("family")),
    choice("Dataset", every(data.boards.map((board) => board.dataset), datasetName), filters.dataset, set("dataset")),
    choice("Setting", every(data.boards.map((board) => board.setting)), filters.setting, set("setting")),
    check("intervals", "95% CI and spread"),
    parts.some((part) => part.rows.some((row) => row.matches(".folded"))) ? check("variants", "all variants") : null,
    data.boards.some((board) => board.rows.some((row) => row.toy)) ? check("toys", "toy runs") : null]);
  controls.hidden = false;
  for (const part of parts) {
    for (const button of part.table.tHead.querySelectorAll("button")) button.addEventListener("click", () => sortBy(part, button));
    for (const button of part.section.querySelectorAll(".fold")) {
      button.addEventListener("click", () => {
        const { group } = button.closest("tr").dataset;
        if (!part.open.delete(group)) part.open.add(group);
        applyFilters();
      });
    }
  }
  sortBoards();
  applyFilters();
}
