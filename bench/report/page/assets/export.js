// Export of tables (CSV, LaTeX) and figures (SVG, PNG) as files, without a server.
const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "paint-order", "opacity", "font-size", "font-family", "fill-rule"];
const PNG_SCALE = 3;
const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 80) || "bench";

function download(name, type, content) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
const tool = (text, label, action) => el("button", { type: "button", class: "tool", "aria-label": label, on: { click: action } }, text);
function tableTools(box) {
  const label = box.getAttribute("aria-label"), name = slug(label);
  return el("div", { class: "tools" }, "Save ",
    tool("CSV", `Save ${label} as CSV`, () => download(`${name}.csv`, "text/csv", csvOf(box.querySelector("table")))),
    tool("LaTeX", `Save ${label} as LaTeX`, () => download(`${name}.tex`, "text/x-tex", latexOf(box.querySelector("table")))));
}
function figureTools(label) {
  const drawing = (event) => event.target.closest("figure").querySelector("svg");
  return el("div", { class: "tools" }, "Save ",
    tool("SVG", `Save ${label} as SVG`, (event) => download(`${slug(label)}.svg`, "image/svg+xml", svgText(drawing(event)))),
    tool("PNG", `Save ${label} as PNG`, (event) => savePng(drawing(event), `${slug(label)}.png`)));
}

// Rows as shown: filtered and folded rows and the plot are left out.
function shownCells(table) {
  const cells = (row) => [...row.cells].filter((cell) => !cell.matches(".plot"));
  return [...table.rows].filter((row) => row.checkVisibility()).map(cells);
}
function textOf(cell) {
  const copy = cell.cloneNode(true);
  copy.querySelectorAll("svg, .interval, .fold, .star, .visually-hidden, .scale").forEach((one) => one.remove());
  copy.querySelectorAll(".variant, .spread").forEach((one) => one.prepend(" "));
  return copy.textContent.replace(/\s+/g, " ").trim();
}
// A spreadsheet would run a text that starts like a formula.
const inCsv = (text) => { const safe = /^[=+@\t-]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text; return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe; };
function csvOf(table) {
  const value = (cell) => (cell.dataset.value !== undefined && cell.tagName === "TD" && !Number.isNaN(Number(cell.dataset.value)) ? cell.dataset.value : textOf(cell));
  return shownCells(table).map((cells) => cells.map((cell) => inCsv(value(cell))).join(",")).join("\n") + "\n";
}
const TEX = { "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", $: "\\$", "&": "\\&", "#": "\\#", "%": "\\%", _: "\\_", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}",
  "–": "--", "±": "$\\pm$", "†": "$\\dagger$", "‡": "$\\ddagger$", "↗": "$\\nearrow$", "−": "$-$", "×": "$\\times$", "…": "\\ldots{}", "³": "$^3$", "λ": "$\\lambda$" };
const inLatex = (text) => [...text].map((letter) => TEX[letter] ?? letter).join("");
function latexOf(table) {
  const [heads, ...rows] = shownCells(table);
  const marked = (cell) => {
    const text = inLatex(textOf(cell));
    const shown = cell.matches(".best") ? `\\textbf{${text}}` : cell.matches(".second") ? `\\underline{${text}}` : text;
    return shown + (cell.querySelector(".star") ? "\\rlap{$^{*}$}" : "");
  };
  const line = (cells) => `${cells.map(marked).join(" & ")} \\\\`;
  const columns = heads.map((head, index) => (index === 0 || head.matches(".text") ? "l" : "r")).join("");
  return ["% needs \\usepackage{booktabs}", `\\begin{tabular}{${columns}}`, "\\toprule", line(heads), "\\midrule", ...rows.map(line), "\\bottomrule", "\\end{tabular}", ""].join("\n");
}

// A figure on white paper, with its styles written into it, so that it looks the same elsewhere.
function svgText(drawing) {
  const theme = document.documentElement.dataset.theme;
  hideTip();
  document.documentElement.dataset.theme = "light";
  const copy = drawing.cloneNode(true), parts = [drawing, ...drawing.querySelectorAll("*")], copies = [copy, ...copy.querySelectorAll("*")];
  parts.forEach((part, index) => {
    const style = getComputedStyle(part);
    for (const name of STYLES) copies[index].setAttribute(name, style.getPropertyValue(name));
    for (const name of ["class", "href", "tabindex"]) copies[index].removeAttribute(name);
  });
  const { width, height } = drawing.viewBox.baseVal;
  copy.prepend(svg("rect", { width, height, fill: getComputedStyle(document.body).backgroundColor }));
  for (const [name, value] of Object.entries({ xmlns: SVG, width, height })) copy.setAttribute(name, value);
  if (theme === undefined) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  return new XMLSerializer().serializeToString(copy);
}
function savePng(drawing, name) {
  const { width, height } = drawing.viewBox.baseVal, picture = new Image();
  picture.addEventListener("load", () => {
    const canvas = el("canvas", { width: width * PNG_SCALE, height: height * PNG_SCALE });
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => download(name, "image/png", blob));
  });
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(drawing))}`;
}
