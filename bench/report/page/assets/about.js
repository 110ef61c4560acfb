// Protocol, environments and limitations.
function aboutView() {
  const facts = (object) => el("dl", { class: "facts" }, Object.entries(object).map(([name, value]) => [el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, String(value))]));
  return el("div", {}, pageHead("Protocol and limitations"),
    el("h2", {}, "Limitations"), el("ul", {}, data.limits.map((limit) => el("li", {}, limit))),
    el("h2", {}, "Protocol"),
    el("p", {}, "Each board has a fixed set of candidate lists, identified by the hash of its queries, candidates and answers. Runs with different hashes are not compared. Ties count as their expected value."),
    boardsTable(), el("h3", {}, "Chance level"), chanceTable(),
    el("h2", {}, "Environments"),
    el("div", { class: "columns" }, data.environments.map((environment) => el("section", {}, el("h3", {}, `${plural(environment.n_runs, "run")} on ${environment.device}`),
      facts({ ...environment.versions, commits: environment.commits.map((commit) => commit.replace(/^([0-9a-f]{12})[0-9a-f]+/, "$1")).join(", ") || "none recorded" })))));
}
function plainTable(label, heads, rows) {
  const head = el("tr", {}, heads.map((text, index) => el("th", { scope: "col", class: index ? null : "text" }, text)));
  const body = rows.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row" }, first), rest.map((value) => el("td", {}, value))));
  return scrollBox(label, el("table", {}, el("thead", {}, head), el("tbody", {}, body)));
}
function boardsTable() {
  const heads = ["Board", "Queries", "Candidates", "Negatives", "Split seed", "Cold policy", "Held out", "Rows"];
  return plainTable("Boards", heads, data.boards.map((board) => [board.title, board.n_queries.toLocaleString("en"), el("code", {}, board.candidates_hash),
    amongOf(board), String(board.protocol.seed), board.protocol.policy ?? "–", "holdout_share" in board.protocol ? percent(board.protocol.holdout_share) : "–", String(board.rows.length)]));
}
function chanceTable() {
  const known = new Map(data.boards.map((board) => [amongOf(board), board.chance]));
  return plainTable("Chance", ["Negatives", ...data.metric_titles], [...known].map(([negatives, chance]) => [negatives, ...chance.map(figure)]));
}
function notFound(reason) {
  return el("div", {}, pageHead("Not found"), el("p", {}, reason, " ", el("a", { href: "#leaderboard" }, "Back to the leaderboard")));
}
