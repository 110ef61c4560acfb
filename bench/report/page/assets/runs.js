// The page of one run: results, the command that repeats it, configuration, learning curves and environment.
function runView(id) {
  const run = runs.get(id);
  if (!run) return notFound(`This file has no page for run '${id}'.`);
  const method = methods.get(run.method), environment = data.environments[run.environment], own = new Set(run.overrides);
  return el("div", {},
    pageHead(`Run ${run.id}`), el("p", { class: "lead" }, el("a", { href: address("method", run.method) }, method.title), ` · ${runTitle(run)}${endingOf(run)}`),
    run.warnings.map((line) => el("p", { class: "warning" }, line)),
    run.notes.length ? el("ul", {}, run.notes.map((line) => el("li", {}, line))) : null,
    el("h2", {}, "Results"), runResults(run),
    el("h2", {}, "Repeat this run"), commandLine(run.command),
    run.curves.length ? [el("h2", {}, "Learning curves"), el("div", { class: "charts" }, run.curves.map(curveChart))] : null,
    weightsPart([run]),
    el("div", { class: "columns" },
      el("section", {}, el("h2", {}, "Configuration"), Object.keys(run.params).length ? factList(Object.entries(run.params).map(([name, value]) => [name, value, own.has(name)])) : el("p", { class: "muted" }, "No parameters.")),
      el("section", {}, el("h2", {}, "Run record"), factList([...Object.entries(run.facts), ["created", run.created]])),
      el("section", {}, el("h2", {}, "Environment"), factList([["device", environment.device], ...Object.entries(environment.versions), ["commit", run.commit || "not recorded"]])),
      sentences("Cold-item rule", [run.cold_rule]), sentences("Departures from the paper", run.deviations)));
}
const plain = (value) => (value === null ? "none" : typeof value === "object" ? JSON.stringify(value) : String(value));
function factList(entries) {
  return el("dl", { class: "facts" }, entries.map(([name, value, changed]) =>
    [el("dt", {}, name), el("dd", { class: changed ? "own" : null }, plain(value), changed ? " (not the default)" : null)]));
}
function runResults(run) {
  const cells = run.metrics.map((found) => (found ? el("td", { "data-value": found[0] }, el("span", { class: "value" }, figure(found[0])), el("span", { class: "interval" }, `${figure(found[1])}–${figure(found[2])}`)) : el("td", { class: "none" }, "–")));
  const label = `Results of run ${run.id}`;
  return scrollBox(label, el("table", {}, headRow(["", ...data.metric_titles]), el("tbody", {}, el("tr", {}, el("th", { scope: "row" }, "Score, 95% CI"), cells))));
}
function commandLine(text) {
  const said = el("span", { role: "status", class: "muted" });
  const copy = async () => {
    try { await navigator.clipboard.writeText(text); said.textContent = " copied"; } catch { getSelection().selectAllChildren(code); said.textContent = " selected"; }
  };
  const code = el("code", {}, text);
  return el("div", { class: "command" }, code, el("button", { type: "button", class: "button", on: { click: copy } }, "Copy"), said);
}
