// Cost versus accuracy: a scatter plot, and the same values as a table.
const costState = { board: data.boards[0]?.id, cost: "training_seconds", metric: firstMetric };
const COST_TITLES = {
  training_seconds: "Training time in seconds, including cached adapters",
  users_per_second: "Users scored per second",
  peak_memory_bytes: "Peak memory of the process",
  trained_parameters: "Trained parameters",
};
function costView() {
  const plot = el("figure", { class: "scatter" }), table = el("div", {}), note = el("div", {});
  const draw = () => {
    const board = boards.get(costState.board), cost = COSTS.find((one) => one.key === costState.cost);
    const metric = data.metrics.indexOf(costState.metric);
    const points = board.rows.map((row) => ({ row, x: row.cost[cost.key], y: row.figures[metric]?.value ?? null })).filter((point) => point.y !== null);
    const placed = points.filter((point) => point.x !== null && point.x > 0);
    note.replaceChildren(meta(board));
    plot.replaceChildren(placed.length ? scatter(placed, cost, data.metric_titles[metric], Math.min(plot.clientWidth || 320, 900)) : el("p", {}, "No row of this board has both values."),
      el("figcaption", {}, "The dashed line is the Pareto front. Hollow points are toys and are not part of it."
        + (placed.length < points.length ? ` Not shown: ${points.filter((point) => !placed.includes(point)).map((point) => longName(point.row)).join(", ")}.` : "")), ...(placed.length ? [figureTools(`${data.metric_titles[metric]} by ${cost.title}`)] : []));
    table.replaceChildren(...costTable(points, cost, data.metric_titles[metric]));
  };
  const set = (name) => (value) => { costState[name] = value; draw(); };
  const view = el("div", {}, pageHead("Cost", "Time, memory and size versus accuracy. Times and memory depend on the machine."),
    form(boardChoice(data.boards, costState.board, set("board")),
      choice("Cost", COSTS.map((cost) => [cost.key, COST_TITLES[cost.key]]), costState.cost, set("cost")),
      choice("Metric", data.metrics.map((key, index) => [key, data.metric_titles[index]]), costState.metric, set("metric"))),
    note, familyLegend(data.families), plot, table);
  view.afterwards = draw;
  return view;
}
function costTable(points, cost, metricTitle) {
  const rows = [...points].sort((a, b) => b.y - a.y).map(({ row, x, y }) => el("tr", {}, el("th", { scope: "row" }, rowName(row)),
    el("td", {}, figure(y)), x === null ? el("td", { class: "none" }, "–") : el("td", {}, cost.show(x))));
  return scrollBox("Cost", el("table", {}, headRow(["Method", metricTitle, cost.title]), el("tbody", {}, rows)));
}

function scatter(points, cost, metricTitle, width) {
  const height = Math.max(300, Math.min(460, width * 0.6)), left = 46, right = 24, top = 22, bottom = 42;
  const logs = points.map((point) => Math.log10(point.x));
  const from = Math.floor(Math.min(...logs) * 2) / 2, to = Math.max(Math.ceil(Math.max(...logs) * 2) / 2, from + 0.5);
  const values = points.map((point) => point.y), spread = Math.max(...values) - Math.min(...values) || 0.1;
  const step = [0.01, 0.02, 0.05, 0.1, 0.2].find((one) => spread / one <= 6) ?? 0.2;
  const least = Math.floor(Math.min(...values) / step) * step, most = Math.ceil(Math.max(...values) / step + 0.2) * step;
  const x = (value) => left + ((width - left - right) * (Math.log10(value) - from)) / (to - from);
  const y = (value) => height - bottom - ((height - top - bottom) * (value - least)) / (most - least);
  const box = { left, right: width - right, top, bottom: height - bottom };
  const ticks = cost.ticks.filter((value) => Math.log10(value) >= from && Math.log10(value) <= to);
  const lines = Array.from({ length: Math.round((most - least) / step) + 1 }, (_, index) => least + index * step);
  const drawn = withLabels(points.map((point) => ({ ...point, at: [x(point.x), y(point.y)] })), box).map((point) => ({ at: point.at, said: [longName(point.row), `${metricTitle} ${figure(point.y)}`, `${cost.title} ${cost.show(point.x)}`], element: scatterPoint(point, cost, metricTitle) }));
  return hoverable(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `${metricTitle} versus ${COST_TITLES[cost.key] ?? cost.long}` },
    lines.map((value) => [svg("line", { class: "axis", x1: left, x2: width - right, y1: y(value), y2: y(value) }), svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(2))]),
    ticks.map((value) => [svg("line", { class: "axis", x1: x(value), x2: x(value), y1: height - bottom, y2: height - bottom + 5 }), svg("text", { x: x(value), y: height - bottom + 18, "text-anchor": "middle" }, cost.show(value))]),
    svg("text", { x: width - right, y: height - 6, "text-anchor": "end" }, `${cost.title}, log scale`),
    svg("text", { x: left, y: 10 }, metricTitle),
    svg("path", { class: "front", d: front(points, cost).map((point, index) => `${index ? "L" : "M"}${x(point.x)} ${y(point.y)}`).join("") }),
    drawn.map((point) => point.element)), drawn);
}
function front(points, cost) {
  if (!cost.better) return [];
  const cheaperIsMore = cost.better === "descending";
  const beats = (a, b) => (cheaperIsMore ? a.x >= b.x : a.x <= b.x) && a.y >= b.y && (a.x !== b.x || a.y !== b.y);
  const rivals = points.filter((point) => !point.row.toy && !point.row.reference);
  return rivals.filter((point) => !rivals.some((other) => beats(other, point))).sort((a, b) => a.x - b.x);
}
// A label goes to the first of four places without overlap; points without a label are only named in the table.
function withLabels(points, box) {
  const taken = points.map(({ at }) => [at[0] - 6, at[1] - 6, at[0] + 6, at[1] + 6]);
  const free = (a) => a[0] >= box.left && a[2] <= box.right && a[1] >= box.top - 8 && a[3] <= box.bottom && taken.every((b) => a[2] < b[0] || b[2] < a[0] || a[3] < b[1] || b[3] < a[1]);
  return [...points].sort((a, b) => b.y - a.y).map((point) => {
    const text = point.row.name + (point.row.toy ? " †toy" : ""), long = text.length * 6.1, [px, py] = point.at;
    const places = [[px + 9, py + 4, "start", px + 8, px + 9 + long], [px - 9, py + 4, "end", px - 9 - long, px - 8], [px, py - 9, "middle", px - long / 2, px + long / 2], [px, py + 18, "middle", px - long / 2, px + long / 2]];
    const place = places.find(([, ty, , x1, x2]) => free([x1, ty - 9, x2, ty + 2]));
    if (place) taken.push([place[3], place[1] - 9, place[4], place[1] + 2]);
    return { ...point, text, place };
  });
}
function scatterPoint({ row, x, y, at, text, place }, cost, metricTitle) {
  const said = `${longName(row)}: ${metricTitle} ${figure(y)}, ${cost.title.toLowerCase()} ${cost.show(x)}`;
  return svg("a", { href: address("method", row.method), class: `point ${familyClass(row.family)}${row.toy ? " toy" : ""}`, "aria-label": said },
    svg("path", { d: shapeOf(row.family), "fill-rule": "evenodd", transform: `translate(${at[0]} ${at[1]})` }),
    place ? svg("text", { x: place[0], y: place[1], "text-anchor": place[2] }, text) : null);
}
