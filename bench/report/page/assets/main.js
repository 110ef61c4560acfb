// Pages by #address, the theme, and what a printer needs.
const views = {
  leaderboard: leaderboardView, methods: methodsView, method: methodView, compare: compareView, cost: costView, bias: biasView, about: aboutView,
};
const main = document.getElementById("main");
const decoded = (part) => { try { return decodeURIComponent(part); } catch { return part; } };
let shown = null;

function route(moveFocus) {
  const [name, ...parts] = location.hash.slice(1).split("/").map(decoded);
  const page = name || "leaderboard";
  shown = Object.hasOwn(views, page) ? views[page](...parts) : notFound(`There is no page '${page}'.`);
  main.replaceChildren(shown);
  shown.afterwards?.();
  const heading = shown.querySelector("h1");
  document.title = `${heading.textContent} · bench report`;
  const inNav = page === "method" ? "methods" : page;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${inNav}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  return moveFocus ? heading : null;
}
// A choice on the page of two methods changes the address; the focus then stays on that choice.
function follow() {
  const controls = [...main.querySelectorAll(".controls select, .controls button")], at = controls.indexOf(document.activeElement);
  const heading = route(true), again = main.querySelectorAll(".controls select, .controls button")[at];
  if (at >= 0 && again) return again.focus();
  scrollTo(0, 0);
  return heading.focus({ preventScroll: true });
}
window.addEventListener("hashchange", follow);
document.querySelector("[data-skip]").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });

const THEMES = ["auto", "light", "dark"];
const remembered = { get: () => { try { return localStorage.getItem("bench-theme"); } catch { return null; } }, set: (value) => { try { localStorage.setItem("bench-theme", value); } catch { /* a page from a file may have no storage */ } } };
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
  resizing = requestAnimationFrame(() => shown?.afterwards?.());
});
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));

document.getElementById("footer").append(`Made by bench ${data.version} from ${plural(data.runs.length, "stored run")}; the newest is of ${data.newest.slice(0, 10)}. Opens from the file, without a network.`);
route(false);
