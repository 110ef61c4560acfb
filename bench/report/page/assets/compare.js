// Comparison of two rows per user: which one ranks the positive higher, by history length and item popularity.
function compareView(boardId, runA, runB) {
  const board = boards.get(boardId) ?? data.boards.find((one) => one.rows.length > 1);
  if (!board) return el("div", {}, pageHead("Users"), el("p", {}, "No board has two rows to compare."));
  const rowOf = (id) => board.rows.findIndex((row) => row.run_ids.includes(id));
  const best = rowsByMetric(board);
  let a = rowOf(runA), b = rowOf(runB);
  if (a < 0) a = best.find((index) => index !== b) ?? 0;
  if (b < 0) b = best.find((index) => index !== a) ?? (a === 0 ? board.rows.length - 1 : 0);
  const go = (id, first, second) => { location.hash = address("compare", id, ...[first, second].filter((one) => one !== undefined).map((one) => boards.get(id).rows[one].run_ids[0])); };
  const rows = board.rows.map((row, index) => [String(index), row.label + (row.toy ? " †toy" : "") + (row.transductive ? " ‡" : "") + (unconverged(row.ended) ? " ↗" : "")]);
  return el("div", {}, pageHead("Users", "Compares two methods on the same queries. A method wins a query if it ranks the target item higher. Wins show how often it is better, differences show by how much."),
    el("form", { class: "controls", on: { submit: (event) => event.preventDefault() } },
      choice("Board", data.boards.filter((one) => one.rows.length > 1).map((one) => [one.id, `${one.title} (${one.candidates_hash})`]), board.id, (id) => go(id)),
      choice("A", rows, String(a), (index) => go(board.id, Number(index), b)),
      choice("B", rows, String(b), (index) => go(board.id, a, Number(index))),
      el("button", { type: "button", class: "button", on: { click: () => go(board.id, b, a) } }, "Swap A and B")),
    meta(board),
    a === b ? el("p", {}, "A and B are the same row. Choose another row.") : comparison(board, a, b));
}
function rowsByMetric(board) {
  const value = (index) => (board.rows[index].toy || board.rows[index].reference ? -1 : board.rows[index].figures[sorting.metric]?.value ?? -1);
  return board.rows.map((_, index) => index).sort((x, y) => value(y) - value(x));
}
// Pairs are stored once, with the lower row index first: (0, 1), (0, 2) … (1, 2) …
function pairOf(axis, n, a, b) {
  const [low, high] = a < b ? [a, b] : [b, a];
  const stored = axis.pairs[(low * (2 * n - low - 1)) / 2 + (high - low - 1)];
  return stored.map(([wins, losses, error]) => (a < b ? { wins, losses, error } : { wins: losses, losses: wins, error }));
}
function comparison(board, a, b) {
  const n = board.rows.length, title = data.metric_titles[data.metrics.indexOf(board.users.metric)] ?? board.users.metric;
  const [everyone, ...axes] = board.users.axes;
  const [all] = pairOf(everyone, n, a, b), total = everyone.counts[0], ties = total - all.wins - all.losses;
  const names = [board.rows[a].label, board.rows[b].label];
  return [
    el("h2", {}, el("span", { class: "name-a" }, names[0]), " vs. ", el("span", { class: "name-b" }, names[1])),
    splitBar(all.wins, ties, all.losses, true),
    el("p", { class: "wins" }, el("span", { class: "name-a" }, `A ranks higher: ${all.wins.toLocaleString("en")} (${percent(all.wins / total)})`),
      el("span", {}, `tied: ${ties.toLocaleString("en")} (${percent(ties / total)})`),
      el("span", { class: "name-b" }, `B ranks higher: ${all.losses.toLocaleString("en")} (${percent(all.losses / total)})`)),
    el("p", {}, `${title}: A ${figure(everyone.means[a][0])}, B ${figure(everyone.means[b][0])}, difference ${difference(everyone, a, b, 0, all.error)}.`),
    axes.map((axis) => axisPart(axis, n, a, b, title)),
    board.users.missing ? el("p", { class: "warning" }, "Groups by history length and item popularity are not available. ", board.users.missing) : null,
    el("p", { class: "meta" }, "Differences are A minus B, with 95% confidence intervals (normal approximation over the queries of each row, not corrected for multiple comparisons). For corrected tests: ",
      el("code", {}, `bench compare ${board.rows[a].run_ids[0]} ${board.rows[b].run_ids[0]} --metric ${board.users.metric}`)),
  ];
}
function difference(axis, a, b, bucket, error) {
  const value = axis.means[a][bucket] - axis.means[b][bucket];
  return signed(value) + (error === null ? "" : ` [${signed(value - 1.96 * error)}, ${signed(value + 1.96 * error)}]`);
}
function axisPart(axis, n, a, b, title) {
  const pairs = pairOf(axis, n, a, b);
  const rows = axis.labels.map((label, bucket) => {
    const { wins, losses, error } = pairs[bucket], count = axis.counts[bucket], ties = count - wins - losses;
    return el("tr", {}, el("th", { scope: "row" }, label), el("td", {}, count.toLocaleString("en")), el("td", { class: "plot" }, splitBar(wins, ties, losses)),
      [wins, ties, losses].map((part) => el("td", {}, percent(part / count))),
      el("td", {}, figure(axis.means[a][bucket])), el("td", {}, figure(axis.means[b][bucket])), el("td", {}, difference(axis, a, b, bucket, error)));
  });
  const heads = [axis.title, "Queries", "", "A wins", "Ties", "B wins", `${title} of A`, `${title} of B`, "A − B [95% CI]"];
  return [el("h3", {}, axis.title), scrollBox(axis.title, el("table", {},
    el("thead", {}, el("tr", {}, heads.map((head, index) => el("th", { scope: "col" }, index ? head : "Range", !head && index ? el("span", { class: "visually-hidden" }, "Wins") : null)))),
    el("tbody", {}, rows)))];
}
