// All methods, and the page of one: results, λ weights, learning curves, parameters, departures, notes and warnings.
function methodsView() {
  const rows = data.methods.map((method) => el("tr", {},
    el("th", { scope: "row" }, familyShape(method.family), el("a", { href: address("method", method.name) }, method.name)),
    el("td", { class: "text" }, familyName(method.family)), el("td", { class: "text" }, method.paper || "–"),
    el("td", { class: "text" }, method.needs.join(", ") || "ids"), el("td", {}, String(method.run_ids.length))));
  const heads = ["Method", "Family", "Paper", "Inputs", "Runs"];
  return el("div", {}, pageHead("Methods"), scrollBox("Methods", el("table", {},
    el("thead", {}, el("tr", {}, heads.map((head, index) => el("th", { scope: "col", class: index < 4 ? "text" : null }, head)))),
    el("tbody", {}, rows))));
}

function methodView(name) {
  const method = methods.get(name);
  if (!method) return notFound(`No runs of method '${name}' are stored.`);
  const own = method.run_ids.map((id) => runs.get(id));
  const said = (key) => [...new Set(own.flatMap((run) => run[key]))];
  const facts = [familyName(method.family), method.paper, `inputs: ${method.needs.join(", ") || "ids"}`];
  return el("div", {},
    pageHead(name, facts.filter(Boolean).join(" · ")),
    el("h2", {}, "Results"), methodResults(name),
    el("div", { class: "columns" },
      sentences("Cold-item rule", said("cold_rule")),
      sentences("Departures from the paper", said("deviations"))),
    weightsPart(own),
    curvesPart(own),
    el("h2", {}, plural(own.length, "run")), own.map(runDetails));
}
function sentences(title, lines) {
  const known = lines.filter(Boolean);
  if (!known.length) return null;
  const capital = (line) => line[0].toUpperCase() + line.slice(1);
  return el("section", {}, el("h2", {}, title), el("ul", {}, known.map((line) => el("li", {}, capital(line)))));
}
function methodResults(name) {
  const rows = data.boards.flatMap((board) => {
    const ranked = board.rows.filter((row) => !row.reference && !row.toy && row.figures[sorting.metric]);
    ranked.sort((a, b) => b.figures[sorting.metric].value - a.figures[sorting.metric].value);
    return board.rows.filter((row) => row.method === name).map((row) => {
      const place = ranked.indexOf(row) + 1;
      return el("tr", { class: row.toy ? "toy" : null }, el("th", { scope: "row" }, el("span", { class: "name" }, board.title, marks(row)), variantOf(row) ? el("span", { class: "variant" }, variantOf(row)) : null),
        el("td", {}, place ? `${place} of ${ranked.length}` : "–"), row.figures.map(metricCell));
    });
  });
  const heads = ["Board", `Rank by ${data.metric_titles[sorting.metric]}`, ...data.metric_titles];
  return scrollBox(`Results of ${name}`, el("table", {}, el("thead", {}, el("tr", {}, heads.map((head, index) => el("th", { scope: "col", class: index ? null : "text" }, head)))), el("tbody", {}, rows)));
}
const runTitle = (run) => [boards.get(run.board)?.title ?? "", run.variant].filter(Boolean).join(" · ");

function weightsPart(own) {
  const weighted = own.filter((run) => Object.keys(run.weights).length);
  if (!weighted.length) return null;
  const names = [...new Set(weighted.flatMap((run) => Object.keys(run.weights)))];
  const rows = weighted.map((run) => el("tr", {}, el("th", { scope: "row" }, runTitle(run)),
    names.map((name) => (name in run.weights ? el("td", {}, run.weights[name].toFixed(3)) : el("td", { class: "none" }, "–")))));
  return [el("h2", {}, "Merge weights λ"), scrollBox("Merge weights", el("table", {},
    el("thead", {}, el("tr", {}, ["Run", ...names].map((head, index) => el("th", { scope: "col", class: index ? null : "text" }, head)))),
    el("tbody", {}, rows)))];
}
function curvesPart(own) {
  const learned = own.filter((run) => run.curves.length);
  if (!learned.length) return null;
  return [el("h2", {}, "Learning curves"), learned.map((run, index) =>
    el("details", { open: index === 0 }, el("summary", {}, runTitle(run), endingOf(run)), el("div", { class: "charts" }, run.curves.map(curveChart))))];
}
const ENDINGS = { converged: "converged", budget: "budget ran out ↗", rising: "still rising ↗", unknown: "no validation ↗" };
const endingOf = (run) => (run.ended ? ` · training: ${ENDINGS[run.ended]}` : "");
function runDetails(run) {
  const environment = data.environments[run.environment];
  const own = new Set(run.overrides);
  const plain = (value) => (value === null ? "none" : typeof value === "object" ? JSON.stringify(value) : String(value));
  const list = (entries) => el("dl", { class: "facts" }, entries.map(([name, value, changed]) =>
    [el("dt", {}, name), el("dd", { class: changed ? "own" : null }, plain(value), changed ? " (not the default)" : null)]));
  const params = Object.entries(run.params).map(([name, value]) => [name, value, own.has(name)]);
  return el("details", {}, el("summary", {}, runTitle(run), endingOf(run), " ", el("span", { class: "mono" }, run.id)),
    run.warnings.map((line) => el("p", { class: "warning" }, line)),
    run.notes.length ? el("ul", {}, run.notes.map((line) => el("li", {}, line))) : null,
    el("div", { class: "columns" },
      el("section", {}, el("h3", {}, "Parameters"), params.length ? list(params) : el("p", { class: "muted" }, "None.")),
      el("section", {}, el("h3", {}, "Run record"),
        list([...Object.entries(run.facts), ["created", run.created], ["environment", `${environment.device}, Python ${environment.versions.python ?? "?"}, torch ${environment.versions.torch ?? "?"}`]]))));
}
