// Drawings: shapes for families, intervals, curves and split bars. All of them are also given as text.
const SHAPES = {
  control: "M0-5A5 5 0 1 1 0 5A5 5 0 1 1 0-5ZM0-2.6A2.6 2.6 0 1 0 0 2.6A2.6 2.6 0 1 0 0-2.6Z",
  general: "M-4.4-4.4H4.4V4.4H-4.4Z",
  sequential: "M0-5.4L5.2 4.2H-5.2Z",
  transferable: "M0-6L6 0L0 6L-6 0Z",
  "language-model": "M0 5.4L5.2-4.2H-5.2Z",
  merging: "M0-5A5 5 0 1 1 0 5A5 5 0 1 1 0-5Z",
  integrating: "M-1.8-5.4H1.8V-1.8H5.4V1.8H1.8V5.4H-1.8V1.8H-5.4V-1.8H-1.8Z",
};
const shapeOf = (family) => SHAPES[family] ?? SHAPES.merging;

function familyShape(family) {
  return svg("svg", { class: `shape ${familyClass(family)}`, "aria-hidden": "true" }, svg("use", { href: `#shape-${familyClass(family).slice(1)}` }));
}
function familyLegend(families) {
  return el("ul", { class: "legend", "aria-label": "Families" }, families.map((family) => el("li", {}, familyShape(family), familyName(family))));
}

function whisker(found, scale, family, chance) {
  const width = 150, height = 18, at = (value) => 4 + ((width - 8) * (value - scale.low)) / (scale.high - scale.low || 1);
  return svg("svg", { class: `whisker ${familyClass(family)}`, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    chance === null ? null : svg("line", { class: "chance", x1: at(chance), x2: at(chance), y1: 0, y2: height }),
    svg("line", { x1: at(found.low), x2: at(found.high), y1: height / 2, y2: height / 2 }),
    svg("path", { d: `M${at(found.value)} ${height / 2}h0`, "vector-effect": "non-scaling-stroke" }));
}

// One small chart: lines over steps, with the ends of both axes labeled and a ring on the step that was kept.
function curveChart(curve) {
  const width = 300, height = 140, left = 44, right = curve.names.length > 1 ? 78 : 12, top = 10, bottom = 22;
  const steps = curve.steps ?? curve.lines[0].map((_, index) => index + curve.first_step);
  const values = curve.lines.flat(), low = Math.min(...values), high = Math.max(...values);
  const first = steps[0], last = steps[steps.length - 1];
  const x = (step) => left + ((width - left - right) * (step - first)) / (last - first || 1);
  const y = (value) => height - bottom - ((height - top - bottom) * (value - low)) / (high - low || 1);
  const path = (line) => line.map((value, index) => `${index ? "L" : "M"}${x(steps[index]).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const [lowest, highest] = twoEnds(low, high);
  const label = (text, at) => svg("text", at, text);
  const kept = curve.kept !== null && curve.kept < steps.length ? curve.kept : null;
  const ends = curve.names.map((name, index) => ({ name, at: y(curve.lines[index].at(-1)) + 4 })).sort((a, b) => a.at - b.at);
  ends.forEach((end, index) => { if (index) end.at = Math.max(end.at, ends[index - 1].at + 12); });
  const hovered = curve.lines.flatMap((line, index) => line.map((value, step) => ({ at: [x(steps[step]), y(value)], said: [curve.names[index], `${Number(value.toPrecision(5))} at ${brief(steps[step])}`] })));
  const said = curve.lines.map((line, index) => `${curve.names[index]} from ${brief(line[0])} to ${brief(line.at(-1))}`).join("; ");
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${curve.title}: ${said}` },
    svg("path", { class: "axis", d: `M${left} ${top}V${height - bottom}H${width - right}` }),
    label(highest, { x: left - 5, y: top + 8, "text-anchor": "end" }),
    label(lowest, { x: left - 5, y: height - bottom, "text-anchor": "end" }),
    label(brief(first), { x: left, y: height - 7, "text-anchor": "middle" }),
    label(brief(last), { x: width - right, y: height - 7, "text-anchor": "middle" }),
    curve.lines.map((line, index) => svg("path", { class: `line l${index % 5}`, d: path(line) })),
    curve.names.length > 1 ? ends.map((end) => label(end.name, { x: width - right + 5, y: end.at })) : null,
    kept === null ? null : svg("circle", { class: "kept", cx: x(steps[kept]), cy: y(curve.lines[0][kept]), r: 4 }));
  const note = kept === null ? "" : `: ${curve.lines[0][kept].toPrecision(4)} kept, at ${brief(steps[kept])} of ${brief(last)}`;
  return el("figure", {}, hoverable(drawing, hovered), el("figcaption", {}, curve.title + note), figureTools(curve.title));
}

// A bar in three parts: A's wins, ties, B's wins; B is hatched, so that it does not depend on color.
function splitBar(wins, ties, losses, large) {
  const total = wins + ties + losses || 1, a = (100 * wins) / total, t = (100 * ties) / total;
  const hatches = [];
  for (let at = a + t + 1, step = large ? 1 : 2.4; at < 100; at += step) hatches.push(svg("line", { class: "hatch", x1: at, x2: at, y1: 0, y2: 8, "vector-effect": "non-scaling-stroke" }));
  return svg("svg", { class: `split${large ? " large" : ""}`, viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "a", x: 0, width: a, height: 8 }),
    svg("rect", { class: "t", x: a, width: t, height: 8 }),
    svg("rect", { class: "b", x: a + t, width: 100 - a - t, height: 8 }), hatches);
}
