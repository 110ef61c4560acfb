// Popularity bias and stability.
const biasState = { board: data.boards[0]?.id };
const POPULARITY = { title: "Popularity ratio", long: "popularity of the top item divided by that of the target item", show: brief, better: null,
  ticks: [0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000] };
function biasView() {
  const content = el("div", {});
  const draw = () => {
    const board = boards.get(biasState.board), width = Math.min(content.clientWidth || 320, 900);
    content.replaceChildren(...[meta(board), popularityPart(board, width), stabilityPart(board)].flat(Infinity).filter(Boolean));
  };
  const view = el("div", {}, pageHead("Bias and stability", "Equal accuracy can hide different behavior: methods can favor popular items, or give different rankings when scoring is repeated."),
    form(boardChoice(data.boards, biasState.board, (id) => { biasState.board = id; draw(); })),
    familyLegend(data.families), content);
  view.afterwards = draw;
  return view;
}
function popularityPart(board, width) {
  const axis = board.users.axes.find((one) => one.name === "popularity"), index = data.metrics.indexOf(board.users.metric);
  const title = data.metric_titles[index] ?? board.users.metric;
  const placed = board.rows.map((row) => ({ row, x: row.bias?.ratio ?? null, y: row.figures[index]?.value ?? null })).filter((point) => point.x > 0 && point.y !== null);
  return [
    el("h2", {}, "Popularity"),
    axis ? [el("h3", {}, axis.title), el("figure", { class: "scatter" }, bucketChart(board, axis, title, width),
      el("figcaption", {}, `${title} by quintiles of the queries, from least to most popular target items; ties are in the same group. If a method has several rows, the best one is shown.`), figureTools(`${title} by popularity`))]
      : el("p", { class: "warning" }, "Popularity groups are not available. ", board.users.missing),
    popularityTable(board, axis, title),
    placed.length ? [el("h3", {}, "What is ranked first"), el("figure", { class: "scatter" }, scatter(placed, POPULARITY, title, width),
      el("figcaption", {}, "At 1, top-ranked items are as popular as the target items; further right, they are more popular."), figureTools("Popularity ratio"))] : null,
    board.rows.some((row) => row.bias === null) ? el("p", { class: "meta" }, "A dash means that the run does not store its top items.") : null,
  ];
}
function popularityTable(board, axis, title) {
  const heads = ["Method", ...(axis?.labels ?? []).map((label) => `${title}, ${label}`), "Popularity of top item", "Popularity of target", "Ratio"];
  const number = (value) => (value === null || value === undefined ? el("td", { class: "none" }, "–") : el("td", {}, brief(value)));
  const rows = rowsByMetric(board).map((at) => {
    const row = board.rows[at];
    return el("tr", { class: row.toy ? "toy" : null }, el("th", { scope: "row" }, rowName(row)), (axis?.means[at] ?? []).map((value) => el("td", {}, figure(value))),
      number(row.bias?.top), number(row.bias?.positive), number(row.bias?.ratio));
  });
  return scrollBox("Popularity", el("table", {}, headRow(heads), el("tbody", {}, rows)));
}
const lineName = (row) => row.name + (row.toy ? " †toy" : "");
// Many variants of one method would hide the others, so only the best is drawn; the table shows all.
function bestOfEachMethod(board) {
  const seen = new Set();
  return rowsByMetric(board).map((at) => board.rows[at]).filter((row) => !seen.has(lineName(row)) && seen.add(lineName(row)));
}
// One line per method over the quintiles; names are on the right, moved apart if they would overlap.
function bucketChart(board, axis, title, width) {
  const drawn = bestOfEachMethod(board), names = drawn.map(lineName), means = drawn.map((row) => axis.means[board.rows.indexOf(row)]);
  const left = 46, top = 12, bottom = 30, right = 14 + 6.4 * Math.min(Math.max(...names.map((name) => name.length)), 18);
  const height = Math.max(240, Math.min(420, width * 0.55), top + bottom + 12.5 * names.length);
  const values = means.flat(), low = Math.min(...values), high = Math.max(...values);
  const x = (bucket) => left + (axis.labels.length > 1 ? ((width - left - right) * bucket) / (axis.labels.length - 1) : (width - left - right) / 2);
  const y = (value) => height - bottom - ((height - top - bottom) * (value - low)) / (high - low || 1);
  const ends = drawn.map((row, index) => ({ row, index, at: y(means[index].at(-1)) })).sort((a, b) => a.at - b.at);
  const apart = 12.5, lowestEnd = height - bottom;
  ends.forEach((end, place) => { if (place) end.at = Math.max(end.at, ends[place - 1].at + apart); });
  ends.forEach((end, place) => { end.at = Math.min(end.at, lowestEnd - apart * (ends.length - 1 - place)); });
  const lines = ends.map(({ row, index, at }) => svg("g", { class: `bucket ${familyClass(row.family)}${row.toy ? " toy" : ""}` },
    svg("path", { class: "line", d: means[index].map((value, bucket) => `${bucket ? "L" : "M"}${x(bucket).toFixed(1)} ${y(value).toFixed(1)}`).join("") }),
    means[index].map((value, bucket) => svg("path", { d: shapeOf(row.family), "fill-rule": "evenodd", transform: `translate(${x(bucket).toFixed(1)} ${y(value).toFixed(1)}) scale(.7)` })),
    svg("text", { x: width - right + 8, y: at + 4 }, names[index].slice(0, 18))));
  const hovered = ends.flatMap(({ row, index }, place) => means[index].map((value, bucket) => ({ at: [x(bucket), y(value)], element: lines[place], said: [longName(row), `${title} ${figure(value)}`, `popularity ${axis.labels[bucket]}, ${plural(axis.counts[bucket], "query", "queries")}`] })));
  const [lowest, highest] = [low, high].map((value) => value.toFixed(2));
  return hoverable(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title} by popularity of the target item, values in the table` },
    svg("path", { class: "axis", d: `M${left} ${top}V${height - bottom}H${width - right}` }),
    svg("text", { x: left - 6, y: top + 8, "text-anchor": "end" }, highest), svg("text", { x: left - 6, y: height - bottom, "text-anchor": "end" }, lowest),
    axis.labels.map((label, bucket) => svg("text", { x: x(bucket), y: height - 10, "text-anchor": "middle" }, label)),
    lines), hovered);
}
function stabilityPart(board) {
  const found = board.rows.flatMap((row) => row.repetitions.map((one) => ({ row, one })));
  const example = board.rows.find((row) => row.family !== "control") ?? board.rows[0];
  const command = el("code", {}, `bench diagnose ${example.run_ids[0]} --permutations 5`);
  if (!found.length) return [el("h2", {}, "Stability"), el("p", {}, "No row has several seeds or repeated scoring. To repeat the scoring of a run: ", command)];
  const scale = { low: Math.min(...found.map(({ one }) => one.lowest)), high: Math.max(...found.map(({ one }) => one.highest)) };
  const rows = found.map(({ row, one }) => el("tr", { class: row.toy ? "toy" : null }, el("th", { scope: "row" }, rowName(row)), el("td", { class: "text" }, one.over),
    el("td", {}, String(one.times)), el("td", {}, one.n_queries.toLocaleString("en")), el("td", { class: "text" }, one.metric),
    el("td", { class: "plot" }, whisker({ value: one.first, low: one.lowest, high: one.highest }, scale, row.family, null)),
    el("td", {}, figure(one.lowest)), el("td", {}, figure(one.highest)),
    one.flip_rate === null ? el("td", { class: "none" }, "–") : el("td", {}, percent(one.flip_rate))));
  const heads = ["Method", "Over", "Times", "Queries", "Metric", "Range", "Lowest", "Highest", "Top item changes"];
  return [el("h2", {}, "Stability"), scrollBox("Stability", el("table", {}, headRow(heads, (index) => [0, 1, 4].includes(index)), el("tbody", {}, rows))),
    el("p", { class: "meta" }, "The dot is the stored run. This table contains rows with several seeds and runs with repeated scoring: ", command)];
}
