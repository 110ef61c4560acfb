// Comparison of two rows per user: which one ranks the positive higher, by history length and item popularity.
function compareView(boardId, runA, runB) {
  const several = data.boards.filter((one) => one.users.rows.length > 1), board = several.find((one) => one.id === boardId) ?? several[0];
  if (!board) return el("div", {}, pageHead("Users"), el("p", {}, "No board has two rows to compare."));
  const rowOf = (id) => board.rows.findIndex((row) => row.run_ids.includes(id));
  const best = rowsByMetric(board).filter((index) => board.users.rows.includes(index));
  let a = rowOf(runA), b = rowOf(runB);
  if (!board.users.rows.includes(a)) a = best.find((index) => index !== b);
  if (!board.users.rows.includes(b)) b = best.find((index) => index !== a) ?? board.users.rows.find((index) => index !== a);
  const go = (id, first, second) => { location.hash = address("compare", id, ...[first, second].filter((one) => one !== undefined).map((one) => boards.get(id).rows[one].run_ids[0])); };
  const rows = best.map((index) => [String(index), longName(board.rows[index])]);
  return el("div", {}, pageHead("Users", "Compares two methods on the same queries. A method wins a query if it ranks the target item higher. Wins show how often it is better, differences show by how much."),
    form(
      boardChoice(several, board.id, (id) => go(id)),
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
// Pairs of the compared rows are stored once, with the lower row first: (0, 1), (0, 2) … (1, 2) …
function pairOf(board, axis, a, b) {
  const n = board.users.rows.length, [first, second] = [a, b].map((row) => board.users.rows.indexOf(row)), [low, high] = first < second ? [first, second] : [second, first];
  const stored = axis.pairs[(low * (2 * n - low - 1)) / 2 + (high - low - 1)];
  return stored.map(([wins, losses, error]) => (a < b ? { wins, losses, error } : { wins: losses, losses: wins, error }));
}
function comparison(board, a, b) {
  const title = data.metric_titles[data.metrics.indexOf(board.users.metric)] ?? board.users.metric;
  const [everyone, ...axes] = board.users.axes;
  const [all] = pairOf(board, everyone, a, b), total = everyone.counts[0], ties = total - all.wins - all.losses;
  const names = [board.rows[a], board.rows[b]].map((row) => row.name + (row.variant ? ` (${row.variant})` : ""));
  return [
    el("h2", {}, el("span", { class: "name-a" }, names[0]), " vs. ", el("span", { class: "name-b" }, names[1])),
    splitBar(all.wins, ties, all.losses, true),
    el("p", { class: "wins" }, el("span", { class: "name-a" }, `A ranks higher: ${all.wins.toLocaleString("en")} (${percent(all.wins / total)})`),
      el("span", {}, `tied: ${ties.toLocaleString("en")} (${percent(ties / total)})`),
      el("span", { class: "name-b" }, `B ranks higher: ${all.losses.toLocaleString("en")} (${percent(all.losses / total)})`)),
    el("p", {}, `${title}: A ${figure(everyone.means[a][0])}, B ${figure(everyone.means[b][0])}, difference ${difference(everyone, a, b, 0, all.error)}.`),
    axes.map((axis) => axisPart(board, axis, a, b, title)),
    board.users.missing ? el("p", { class: "warning" }, "Groups by history length and item popularity are not available. ", board.users.missing) : null,
    el("p", { class: "meta" }, "Differences are A minus B, with 95% confidence intervals (normal approximation over the queries of each row, not corrected for multiple comparisons). For corrected tests: ",
      el("code", {}, `bench compare ${board.rows[a].run_ids[0]} ${board.rows[b].run_ids[0]} --metric ${board.users.metric}`)),
  ];
}
function difference(axis, a, b, bucket, error) {
  const value = axis.means[a][bucket] - axis.means[b][bucket];
  return signed(value) + (error === null ? "" : ` [${signed(value - 1.96 * error)}, ${signed(value + 1.96 * error)}]`);
}
function axisPart(board, axis, a, b, title) {
  const pairs = pairOf(board, axis, a, b);
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
