// What was asked, on what, with which software, and what the figures cannot say.
function aboutView() {
  const facts = (object) => el("dl", { class: "facts" }, Object.entries(object).map(([name, value]) => [el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, String(value))]));
  return el("div", {}, pageHead("Protocol and limits"),
    el("h2", {}, "Limits"), el("ul", {}, data.limits.map((limit) => el("li", {}, limit))),
    el("h2", {}, "Protocol"),
    el("p", {}, "Each board has one frozen file of candidates, known by the hash of its queries, candidates and answers. Runs with different hashes are never compared; ties count as their expected value."),
    scrollBox("Boards", el("table", {}, el("thead", {}, el("tr", {}, ["Board", "Queries", "Candidates", "Rows", ...data.metric_titles.map((title) => `Chance ${title}`)].map((head, index) => el("th", { scope: "col", class: index ? null : "text" }, head)))),
      el("tbody", {}, data.boards.map((board) => el("tr", {}, el("th", { scope: "row" }, board.title), el("td", {}, board.n_queries.toLocaleString("en")), el("td", {}, el("code", {}, board.candidates_hash)), el("td", {}, String(board.rows.length)), board.chance.map((value) => el("td", {}, figure(value)))))))),
    el("div", { class: "columns" }, data.boards.map((board) => el("section", {}, el("h3", {}, board.title), facts({ ...board.protocol, candidates: board.candidates_hash })))),
    el("h2", {}, "Environments"),
    el("div", { class: "columns" }, data.environments.map((environment) => el("section", {}, el("h3", {}, `${plural(environment.n_runs, "run")} on ${environment.device}`),
      facts({ ...environment.versions, commits: environment.commits.map((commit) => commit.replace(/^([0-9a-f]{12})[0-9a-f]+/, "$1")).join(", ") || "none recorded" })))));
}
function notFound(reason) {
  return el("div", {}, pageHead("Not here"), el("p", {}, reason, " ", el("a", { href: "#leaderboard" }, "Back to the leaderboard")));
}
