// The page of one method: results, λ weights, learning curves, departures and runs.
function methodView(name) {
  const method = methods.get(name);
  if (!method) return notFound(`No runs of method '${name}' are stored.`);
  const own = method.run_ids.map((id) => runs.get(id)).filter(Boolean);
  const said = (key) => [...new Set(own.flatMap((run) => run[key]))];
  const facts = [familyName(method.family), `inputs: ${method.needs.join(", ") || "ids"}`, method.name === method.title ? "" : `on the command line: ${method.name}`];
  return el("div", {},
    pageHead(method.title, facts.filter(Boolean).join(" · ")),
    method.paper ? el("p", {}, "Paper: ", paperLink(method)) : null,
    el("h2", {}, "Results"), methodResults(name),
    el("div", { class: "columns" },
      sentences("Cold-item rule", said("cold_rule")),
      sentences("Departures from the paper", said("deviations"))),
    weightsPart(own),
    curvesPart(own),
    runsPart(method, own));
}
const paperLink = (method) => (method.link ? el("a", { href: method.link, rel: "noopener noreferrer" }, method.paper) : method.paper);
function sentences(title, lines) {
  const known = lines.filter(Boolean);
  if (!known.length) return null;
  const capital = (line) => line[0].toUpperCase() + line.slice(1);
  return el("section", {}, el("h2", {}, title), el("ul", {}, known.map((line) => el("li", {}, capital(line)))));
}
function metricCell(found) {
  if (!found) return el("td", { class: "none" }, "–");
  const mark = found.mark === "starred" ? "best" : found.mark;
  return el("td", { class: mark || null, "data-value": found.value }, el("span", { class: "value" }, figure(found.value)),
    found.mark === "starred" ? el("span", { class: "star", title: "significantly better than the runner-up" }, "*") : null,
    found.sd === null ? null : el("span", { class: "spread" }, `± ${figure(found.sd)}`));
}
function methodResults(name) {
  const rows = data.boards.flatMap((board) => {
    const ranked = board.rows.filter((row) => !row.reference && !row.toy && row.figures[sorting.metric]);
    ranked.sort((a, b) => b.figures[sorting.metric].value - a.figures[sorting.metric].value);
    return board.rows.filter((row) => row.method === name).map((row) => {
      const place = ranked.indexOf(row) + 1;
      return el("tr", { class: row.toy ? "toy" : null }, el("th", { scope: "row" }, el("span", { class: "name" }, board.title, marksOf(row) ? el("sup", {}, marksOf(row)) : null), row.variant ? el("span", { class: "variant" }, row.variant) : null),
        el("td", {}, place ? `${place} of ${ranked.length}` : "–"), row.figures.map(metricCell));
    });
  });
  const heads = ["Board", `Rank by ${data.metric_titles[sorting.metric]}`, ...data.metric_titles];
  return scrollBox(`Results of ${methods.get(name).title}`, el("table", {}, headRow(heads), el("tbody", {}, rows)));
}
const runTitle = (run) => [boards.get(run.board)?.title ?? "", run.variant].filter(Boolean).join(" · ");

function weightsPart(own) {
  const weighted = own.filter((run) => Object.keys(run.weights).length);
  if (!weighted.length) return null;
  const names = [...new Set(weighted.flatMap((run) => Object.keys(run.weights)))];
  const rows = weighted.map((run) => el("tr", {}, el("th", { scope: "row" }, runTitle(run)),
    names.map((name) => (name in run.weights ? el("td", {}, run.weights[name].toFixed(3)) : el("td", { class: "none" }, "–")))));
  return [el("h2", {}, "Merge weights λ"), scrollBox("Merge weights", el("table", {}, headRow(["Run", ...names]), el("tbody", {}, rows)))];
}
function curvesPart(own) {
  const learned = own.filter((run) => run.curves.length);
  if (!learned.length) return null;
  return [el("h2", {}, "Learning curves"), learned.map((run, index) =>
    el("details", { open: index === 0 }, el("summary", {}, runTitle(run), endingOf(run)), el("div", { class: "charts" }, run.curves.map(curveChart))))];
}
const ENDINGS = { converged: "converged", budget: "budget ran out ↗", rising: "still rising ↗", unknown: "no validation ↗" };
const endingOf = (run) => (run.ended ? ` · training: ${ENDINGS[run.ended]}` : "");
function runsPart(method, own) {
  const at = data.metrics.indexOf(firstMetric);
  const rows = own.map((run) => el("tr", {}, el("th", { scope: "row" }, el("a", { class: "mono", href: address("run", run.id) }, run.id)), el("td", { class: "text" }, boards.get(run.board)?.title ?? "–"),
    el("td", { class: "text" }, run.variant || "defaults"), run.metrics[at] ? el("td", { "data-value": run.metrics[at][0] }, figure(run.metrics[at][0])) : el("td", { class: "none" }, "–"),
    el("td", { class: "text" }, ENDINGS[run.ended] ?? "–"), el("td", { class: "text" }, run.created.slice(0, 10))));
  const heads = ["Run", "Board", "Variant", data.metric_titles[at], "Training", "Created"];
  const hidden = method.run_ids.length - own.length;
  return [el("h2", {}, plural(method.run_ids.length, "run")), scrollBox(`Runs of ${method.title}`, el("table", {}, headRow(heads, (index) => index !== 3), el("tbody", {}, rows))),
    hidden ? el("p", { class: "meta" }, `${plural(hidden, "run")} without a page in this file.`) : null];
}
