// The leaderboard: one table per board, sorted and filtered together. Rows are created once, then moved or hidden.
const powers = (base, from, to) => Array.from({ length: to - from }, (_, index) => base ** (from + index));
const COSTS = [
  { key: "training_seconds", title: "Training", show: inSeconds, better: "ascending", ticks: [1, 10, 60, 600, 3600, 36000, 360000] },
  { key: "users_per_second", title: "Users/s", show: rate, better: "descending", ticks: powers(10, 0, 9) },
  { key: "peak_memory_bytes", title: "Memory", show: inBytes, better: "ascending", ticks: powers(2, 20, 44) },
  { key: "trained_parameters", title: "Parameters", show: inThousands, better: "ascending", ticks: powers(10, 0, 12) },
];
// Popularity of top-ranked items relative to target items, and how often the order of candidates changes the top item.
const flipsOf = (row) => row.repetitions.find((one) => one.over === "candidate order")?.flip_rate ?? null;
const QUALITIES = [
  { key: "popularity_ratio", title: "Pop. ratio", show: brief, better: "ascending", of: (row) => row.bias?.ratio ?? null },
  { key: "flip_rate", title: "Flips", show: percent, better: "ascending", of: flipsOf },
];
const columns = [
  { key: "method", title: "Method", better: "ascending", of: (row) => row.label },
  ...data.metrics.map((key, index) => ({ key, title: data.metric_titles[index], better: "descending", metric: index, of: (row) => row.figures[index]?.value ?? null })),
  { key: "tie_rate", title: "Ties", better: "ascending", of: (row) => row.tie_rate },
  ...COSTS.map((cost) => ({ ...cost, of: (row) => row.cost[cost.key] })),
  ...QUALITIES,
  { key: "family", title: "Family", better: "ascending", of: (row) => data.families.indexOf(row.family) },
];
const firstMetric = data.metrics.includes("ndcg@3") ? "ndcg@3" : data.metrics[0];
const sorting = { key: firstMetric, direction: "descending", metric: data.metrics.indexOf(firstMetric) };
const filters = { text: "", family: "", dataset: "", setting: "", toys: true, intervals: false };
let drawn = [];

function metricCell(found) {
  if (!found) return el("td", { class: "none" }, "–");
  const mark = found.mark === "starred" ? "best" : found.mark;
  const spread = found.sd === null ? "" : ` ± ${figure(found.sd)}`;
  return el("td", { class: mark || null }, el("span", { class: "value" }, figure(found.value) + spread),
    found.mark === "starred" ? el("span", { class: "star", title: "significantly better than the runner-up" }, "*") : null,
    el("span", { class: "interval" }, `${figure(found.low)}–${figure(found.high)}`));
}
function boardRow(row) {
  const cells = columns.slice(1).map((column) => {
    if (column.key === "family") return el("td", { class: "text" }, familyName(row.family));
    if (column.metric !== undefined) return metricCell(row.figures[column.metric]);
    const value = column.of(row);
    if (value === null) return el("td", { class: "none" }, "–");
    return el("td", {}, column.key === "tie_rate" ? percent(value) : column.show(value));
  });
  const plot = el("td", { class: "plot" });
  const classes = [row.reference && "reference", row.toy && "toy"].filter(Boolean).join(" ");
  const element = el("tr", { class: classes || null },
    el("th", { scope: "row" }, rowName(row)), plot, cells);
  const words = [row.label, row.family, familyName(row.family), runs.get(row.run_ids[0])?.variant ?? "", ...row.run_ids].join(" ").toLowerCase();
  return { row, element, plot, words, cells: [null, ...cells] };
}
function boardSection(board) {
  const heads = columns.map((column) => el("th", { scope: "col", class: column.key === "family" ? "text" : null },
    el("button", { type: "button", on: { click: () => sortBy(column) } }, column.title)));
  const plotHead = el("th", { scope: "col", class: "text plot" });
  const entries = board.rows.map(boardRow);
  const body = el("tbody", {}, entries.map((entry) => entry.element));
  const table = el("table", { class: "board" }, el("thead", {}, el("tr", {}, heads[0], plotHead, heads.slice(1))), body);
  const section = el("section", { "aria-labelledby": `board-${board.id}` },
    el("h2", { id: `board-${board.id}` }, board.title), meta(board), scrollBox(`Leaderboard of ${board.title}`, table, true),
    el("details", { class: "notes" }, el("summary", {}, "How to read this table"), el("p", {}, board.caption),
      board.footnotes.map((note) => el("p", {}, note))));
  return { board, section, heads, plotHead, entries, body };
}

function sortBy(column) {
  const opposite = { ascending: "descending", descending: "ascending" };
  sorting.direction = sorting.key === column.key ? opposite[sorting.direction] : column.better;
  sorting.key = column.key;
  if (column.metric !== undefined) sorting.metric = column.metric;
  drawn.forEach(sortBoard);
}
function compareRows(column, sign) {
  return (a, b) => {
    const [x, y] = [column.of(a.row), column.of(b.row)];
    if (x === null || y === null) return (x === null) - (y === null);
    const order = typeof x === "string" ? x.localeCompare(y, "en") : x - y;
    return sign * order || a.row.label.localeCompare(b.row.label, "en");
  };
}
function sortBoard(part) {
  const at = columns.findIndex((column) => column.key === sorting.key);
  part.heads.forEach((head, index) => head.setAttribute("aria-sort", index === at ? sorting.direction : "none"));
  part.entries.sort(compareRows(columns[at], sorting.direction === "ascending" ? 1 : -1));
  part.body.append(...part.entries.map((entry) => entry.element));
  const found = part.entries.map((entry) => entry.row.figures[sorting.metric]).filter(Boolean);
  const chance = part.board.chance[sorting.metric];
  const scale = { low: Math.min(chance, ...found.map((one) => one.low)), high: Math.max(chance, ...found.map((one) => one.high)) };
  part.plotHead.replaceChildren(data.metric_titles[sorting.metric], el("span", { class: "scale" }, el("span", {}, scale.low.toFixed(2)), el("span", {}, scale.high.toFixed(2))));
  for (const entry of part.entries) {
    entry.cells.forEach((cell, index) => cell?.classList.toggle("sorted", index === at));
    const one = entry.row.figures[sorting.metric];
    entry.plot.replaceChildren(...(one ? [whisker(one, scale, entry.row.family, chance)] : []));
  }
}

function applyFilters(count, main) {
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const part of drawn) {
    const inside = (!filters.dataset || part.board.dataset === filters.dataset) && (!filters.setting || part.board.setting === filters.setting);
    let rows = 0;
    for (const { row, element, words: said } of part.entries) {
      const fits = inside && (!filters.family || row.family === filters.family) && (filters.toys || !row.toy) && words.every((word) => said.includes(word));
      element.hidden = !fits;
      rows += fits;
    }
    part.section.hidden = rows === 0;
    shown += rows;
  }
  main.classList.toggle("no-intervals", !filters.intervals);
  count.textContent = shown ? plural(shown, "row") : "No rows match these filters.";
}
function leaderboardView() {
  drawn = data.boards.map(boardSection);
  const count = el("p", { class: "meta", role: "status" });
  const view = el("div", {});
  const update = () => applyFilters(count, view);
  const set = (name) => (value) => { filters[name] = value; update(); };
  const every = (values, shown = (value) => value) => [["", "all"], ...[...new Set(values)].map((value) => [value, shown(value)])];
  const check = (name, text) => {
    const box = el("input", { type: "checkbox", checked: filters[name], on: { change: () => set(name)(box.checked) } });
    return el("label", { class: "check" }, box, text);
  };
  const search = el("input", { type: "search", value: filters.text, placeholder: "sasrec, clothing, tiny …", on: { input: () => set("text")(search.value) } });
  const controls = el("form", { class: "controls", role: "search", on: { submit: (event) => event.preventDefault() } },
    el("label", {}, "Search", search),
    choice("Family", every(data.families, familyName), filters.family, set("family")),
    choice("Dataset", every(data.boards.map((board) => board.dataset)), filters.dataset, set("dataset")),
    choice("Setting", every(data.boards.map((board) => board.setting)), filters.setting, set("setting")),
    check("intervals", "95% CI"),
    data.boards.some((board) => board.rows.some((row) => row.toy)) ? check("toys", "toy runs") : null);
  filled(view, {}, [pageHead("Leaderboard"), leadLine(), controls, count, familyLegend(data.families), drawn.map((part) => part.section), marksLegend()]);
  drawn.forEach(sortBoard);
  update();
  return view;
}
function leadLine() {
  const counts = [...new Set(data.boards.filter((board) => !board.full_ranking).map((board) => board.protocol.n_negatives))].join(" or ");
  const among = [counts && `${counts} fixed negatives`, data.boards.some((board) => board.full_ranking) && "the full catalogue"].filter(Boolean).join(" or ");
  return el("p", { class: "lead" }, `${plural(data.runs.length, "run")} of ${plural(data.methods.length, "method")}, each ranking one positive among ${among}. `,
    "Click a column header to sort. Dots are means, lines are 95% confidence intervals, and the dashed line is the chance level.");
}
function marksLegend() {
  return el("p", { class: "meta" }, "Bold: best. Underlined: second. *: significantly better than the runner-up (Holm-corrected). ",
    "†toy: toy language model, not indicative of the method. ‡: uses unlabeled test queries during training. ",
    "↗: not trained to convergence. ",
    "Training: includes the training time of cached adapters. ",
    "Pop. ratio: popularity of top-ranked items divided by that of target items. Flips: share of top items that change with the order of the candidates. ", el("a", { href: "#about" }, "Protocol and limitations"));
}
