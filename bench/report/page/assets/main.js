// Routing by #address, the theme, and printing.
const views = { method: methodView, run: runView, queries: queriesView, compare: compareView, cost: costView, bias: biasView };
const AFTERWARDS = { published: drawPublished };
const IN_NAV = { method: "methods", run: "methods" };
const main = document.getElementById("main"), shownPage = document.getElementById("page-shown");
const pages = [...main.querySelectorAll(".page")];
const decoded = (part) => { try { return decodeURIComponent(part); } catch { return part; } };
let afterwards = null;

function route(moveFocus) {
  hideTip();
  const [name, ...rest] = location.hash.slice(1).split("/").map(decoded), page = name || "leaderboard";
  const ready = pages.find((one) => one.id === `page-${page}` && one !== shownPage);
  const view = ready ? null : Object.hasOwn(views, page) ? views[page](...rest) : notFound(`Page '${page}' does not exist.`);
  for (const one of pages) one.hidden = one !== (ready ?? shownPage);
  shownPage.replaceChildren(...(view ? [view] : []));
  afterwards = view?.afterwards ?? AFTERWARDS[page];
  afterwards?.();
  const heading = (ready ?? shownPage).querySelector("h1");
  document.title = `${heading.textContent} · bench report`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${IN_NAV[page] ?? page}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  return moveFocus ? heading : null;
}
// A selection on the page that compares two methods changes the address; the focus then stays on that control.
function follow() {
  const controls = [...shownPage.querySelectorAll(".controls select, .controls button")], at = controls.indexOf(document.activeElement);
  const heading = route(true), again = shownPage.querySelectorAll(".controls select, .controls button")[at];
  if (at >= 0 && again && !again.disabled) return again.focus();
  scrollTo(0, 0);
  return heading.focus({ preventScroll: true });
}
window.addEventListener("hashchange", follow);
document.querySelector("[data-skip]").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });

const THEMES = ["auto", "light", "dark"];
const remembered = { get: () => { try { return localStorage.getItem("bench-theme"); } catch { return null; } }, set: (value) => { try { localStorage.setItem("bench-theme", value); } catch { /* a page opened from a file may not have storage */ } } };
const themeButton = document.getElementById("theme");
function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  themeButton.textContent = `Theme: ${theme}`;
}
let theme = THEMES.includes(remembered.get()) ? remembered.get() : "auto";
setTheme(theme);
themeButton.addEventListener("click", () => { theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]; remembered.set(theme); setTheme(theme); });

let resizing = 0, lastWidth = innerWidth;
window.addEventListener("resize", () => {
  if (innerWidth === lastWidth) return;
  lastWidth = innerWidth;
  cancelAnimationFrame(resizing);
  resizing = requestAnimationFrame(() => afterwards?.());
});
window.addEventListener("beforeprint", () => main.querySelectorAll("details").forEach((part) => { part.open = true; }));

setUpLeaderboard();
route(false);
