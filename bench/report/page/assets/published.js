// Published against our scores: one point per score, on the diagonal if they are equal.
function drawPublished() {
  const figureBox = document.getElementById("published-chart");
  if (!figureBox) return;
  const points = data.published.flatMap((table) => table.cells.map((cell) => ({ cell, table }))), size = Math.min(figureBox.clientWidth || 320, 560);
  const left = 46, top = 12, right = 16, bottom = 40, most = Math.ceil(Math.max(...points.map(({ cell }) => Math.max(cell.ours, cell.printed))) * 10) / 10;
  const x = (value) => left + ((size - left - right) * value) / most, y = (value) => size - bottom - ((size - top - bottom) * value) / most;
  const ticks = Array.from({ length: Math.round(most * 10) + 1 }, (_, index) => index / 10);
  const hovered = [], drawing = svg("svg", { width: size, height: size, viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": "Our scores by published scores, values in the tables" },
    ticks.map((value) => [svg("line", { class: "axis", x1: left, x2: size - right, y1: y(value), y2: y(value) }), svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(1)),
      svg("text", { x: x(value), y: size - bottom + 16, "text-anchor": "middle" }, value.toFixed(1))]),
    svg("line", { class: "front", x1: x(0), y1: y(0), x2: x(most), y2: y(most) }),
    svg("text", { x: left, y: 9 }, "Ours"), svg("text", { x: size - right, y: size - 6, "text-anchor": "end" }, "Published"),
    points.map(({ cell, table }) => {
      const comparable = cell.verdict !== "not comparable";
      const element = svg("circle", { class: `dot${comparable ? "" : " hollow"}`, cx: x(cell.printed), cy: y(cell.ours), r: 3.5 });
      const metric = data.metric_titles[data.metrics.indexOf(cell.metric)] ?? cell.metric;
      hovered.push({ at: [x(cell.printed), y(cell.ours)], element, said: [`${cell.row}, ${cell.dataset}, ${metric}`, `ours ${figure(cell.ours)}, published ${figure(cell.printed)}`, `${table.paper} ${table.table}: ${cell.verdict}`] });
      return element;
    }));
  figureBox.replaceChildren(hoverable(drawing, hovered), el("figcaption", {}, "Above the line, our score is higher. Hollow points are not comparable."), figureTools("Published results"));
}
