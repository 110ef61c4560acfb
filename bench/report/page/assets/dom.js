// Elements and numbers. Text only becomes text nodes, so no label of a record is interpreted as HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const boards = new Map(data.boards.map((board) => [board.id, board]));
const runs = new Map(data.runs.map((run) => [run.id, run]));
const methods = new Map(data.methods.map((method) => [method.name, method]));
const SVG = "http://www.w3.org/2000/svg";

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
const el = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);
const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
const address = (...parts) => "#" + parts.map(encodeURIComponent).join("/");
const familyClass = (family) => `f${Math.max(0, FAMILIES.indexOf(family)) % 7}`;
const FAMILIES = ["control", "general", "sequential", "transferable", "language-model", "merging", "integrating"];
const familyName = (family) => ({ general: "collaborative", merging: "adapter-merging", integrating: "adapter-integration" })[family] ?? family;

const figure = (value) => value.toFixed(4);
const signed = (value) => (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(4);
const percent = (share) => `${(100 * share).toFixed(1)}%`;
// Three digits, or as many as needed to distinguish the two ends of an axis.
function twoEnds(low, high) {
  for (let digits = 3; digits < 8; digits += 1) if (low === high || low.toPrecision(digits) !== high.toPrecision(digits)) return [low, high].map((value) => (Number.isInteger(value) ? String(value) : value.toPrecision(digits)));
  return [String(low), String(high)];
}
const brief = (value) => (value >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3))));
function inSeconds(value) {
  if (value < 0.1) return "< 0.1 s";
  if (value < 60) return `${brief(value)} s`;
  return value < 3600 ? `${brief(value / 60)} min` : `${brief(value / 3600)} h`;
}
const inBytes = (value) => (value < 2 ** 30 ? `${brief(value / 2 ** 20)} MiB` : `${brief(value / 2 ** 30)} GiB`);
function inThousands(value) {
  if (value < 1000) return brief(value);
  return value < 1e6 ? `${brief(value / 1e3)} k` : `${brief(value / 1e6)} M`;
}
const powers = (base, from, to) => Array.from({ length: to - from }, (_, index) => base ** (from + index));

function scrollBox(label, table, wide) {
  const box = el("div", { class: wide ? "scroll wide" : "scroll", tabindex: 0, role: "region", "aria-label": label }, table);
  return [box, tableTools(box)];
}
function choice(label, options, chosen, change) {
  const select = el("select", { on: { change: () => change(select.value) } },
    options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
  return el("label", {}, label, select);
}
const form = (...children) => el("form", { class: "controls", on: { submit: (event) => event.preventDefault() } }, children);
const headRow = (heads, isText = (index) => index === 0) => el("thead", {}, el("tr", {}, heads.map((head, index) => el("th", { scope: "col", class: isText(index) ? "text" : null }, head))));
const unconverged = (ended) => ended !== "" && ended !== "converged";
const marksOf = (row) => [row.toy && "†toy", row.transductive && "‡", unconverged(row.ended) && "↗"].filter(Boolean).join(" ");
const longName = (row) => row.name + (row.variant ? ` (${row.variant})` : "") + (marksOf(row) ? ` ${marksOf(row)}` : "");
function rowName(row) {
  return [el("span", { class: "name" }, familyShape(row.family), el("a", { href: address("method", row.method) }, row.name), marksOf(row) ? el("sup", {}, marksOf(row)) : null),
    row.variant ? el("span", { class: "variant" }, row.variant) : null];
}
function meta(board) {
  const among = board.full_ranking
    ? `1 positive among the full catalogue of ${plural(board.n_candidates, "item")}, except those the user has interacted with`
    : `1 positive and ${board.protocol.n_negatives} negatives per query`;
  return el("p", { class: "meta" }, `${plural(board.n_queries, "query", "queries")}, `,
    `${among}, candidates `, el("code", {}, board.candidates_hash));
}
const boardChoice = (known, chosen, change) => choice("Board", known.map((board) => [board.id, `${board.title} (${board.candidates_hash})`]), chosen, change);
function pageHead(title, lead) {
  return [el("h1", { tabindex: -1 }, title), lead ? el("p", { class: "lead" }, lead) : null];
}
function notFound(reason) {
  return el("div", {}, pageHead("Not found"), el("p", {}, reason, " ", el("a", { href: "#leaderboard" }, "Back to the leaderboard")));
}
