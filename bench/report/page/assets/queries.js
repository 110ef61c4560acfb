// One query: the user's history, the candidates, and what each row ranked first, in titles.
const WHY = { disagreement: "methods disagree", random: "random" };
const placeOf = ([better, tied]) => (tied ? `${better + 1}–${better + tied + 1}` : String(better + 1));
function queriesView(boardId, place) {
  const known = data.boards.filter((board) => board.queries.length);
  if (!known.length) return el("div", {}, pageHead("Queries"), el("p", {}, "No queries can be shown. ", [...new Set(data.boards.map((board) => board.users.missing).filter(Boolean))].join(" ")));
  const board = known.find((one) => one.id === boardId) ?? known[0], last = board.queries.length - 1;
  const at = Math.max(0, Math.min(last, Number(place) || 0)), query = board.queries[at];
  const go = (id, next) => { location.hash = address("queries", id, String(next)); };
  return el("div", {}, pageHead("Queries", "What methods ranked first for one user. Queries on which the methods differ most come first, followed by random ones."),
    form(boardChoice(known, board.id, (id) => go(id, 0)),
      choice("Query", board.queries.map((one, index) => [String(index), `No. ${(one.number + 1).toLocaleString("en")} (${WHY[one.chosen]})`]), String(at), (index) => go(board.id, index)),
      el("button", { type: "button", class: "button", disabled: at === 0, on: { click: () => go(board.id, at - 1) } }, "Previous"),
      el("button", { type: "button", class: "button", disabled: at === last, on: { click: () => go(board.id, at + 1) } }, "Next")),
    meta(board), el("div", { class: "columns" }, historyPart(query), rankedPart(board, query)), candidatesPart(board, query));
}
function historyPart(query) {
  const left = query.n_history - query.history.length;
  return el("section", {}, el("h2", {}, `History, ${plural(query.n_history, "item")}`), left ? el("p", { class: "meta" }, `The last ${query.history.length}, oldest first.`) : null,
    el("ol", { start: left + 1, class: "titles" }, query.history.map((item) => el("li", {}, data.titles[item]))),
    el("h2", {}, "Target item"), el("p", { class: "target" }, data.titles[query.positive]));
}
function rankedPart(board, query) {
  const order = board.rows.map((_, index) => index).sort((a, b) => query.ranks[a][0] - query.ranks[b][0] || query.ranks[a][1] - query.ranks[b][1]);
  const rows = order.map((index) => {
    const row = board.rows[index], top = query.tops[index], hit = top === query.positive;
    return el("tr", { class: row.toy ? "toy" : null }, el("th", { scope: "row" }, rowName(row)), el("td", {}, placeOf(query.ranks[index])),
      top === null ? el("td", { class: "text none" }, "not stored") : el("td", { class: `text${hit ? " target" : ""}` }, data.titles[top], hit ? " (the target)" : null));
  });
  return el("section", {}, el("h2", {}, "Ranked first"), scrollBox("Ranked first", el("table", {}, headRow(["Method", "Rank of target", "First item"], (index) => index !== 1), el("tbody", {}, rows))));
}
function candidatesPart(board, query) {
  if (!query.candidates.length) return el("section", {}, el("h2", {}, "Candidates"), el("p", {}, "The target item was ranked among the full catalogue."));
  const firstBy = (item) => board.rows.filter((_, index) => query.tops[index] === item).map((row) => row.name);
  const items = [...new Set(query.candidates)].map((item) => ({ item, by: [...new Set(firstBy(item))] })).sort((a, b) => (b.item === query.positive) - (a.item === query.positive) || b.by.length - a.by.length);
  const rows = items.map(({ item, by }) => el("tr", {}, el("th", { scope: "row", class: item === query.positive ? "target" : null }, data.titles[item], item === query.positive ? " (the target)" : null),
    by.length ? el("td", { class: "text" }, by.join(", ")) : el("td", { class: "text none" }, "–")));
  return el("section", {}, el("h2", {}, plural(query.candidates.length, "candidate")), scrollBox("Candidates", el("table", { class: "titles" }, headRow(["Candidate", "Ranked first by"], () => true), el("tbody", {}, rows))));
}
