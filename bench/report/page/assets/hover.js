// Hover: the point next to the pointer is ringed and named. With the keyboard, arrow keys move from point to point.
const REACH = 40;
const tip = el("div", { class: "tip", role: "status", hidden: true });
document.body.append(tip);

function hideTip() { tip.hidden = true; document.querySelectorAll(".ring, .hot").forEach((one) => (one.matches(".ring") ? one.remove() : one.classList.remove("hot"))); }
function showTip(drawing, point) {
  hideTip();
  point.element?.classList.add("hot");
  drawing.append(svg("circle", { class: "ring", cx: point.at[0], cy: point.at[1], r: 7 }));
  tip.replaceChildren(el("strong", {}, point.said[0]), ...point.said.slice(1).map((line) => el("span", {}, line)));
  tip.hidden = false;
  const box = drawing.getBoundingClientRect(), scale = box.width / drawing.viewBox.baseVal.width;
  const [left, top] = [box.left + point.at[0] * scale, box.top + point.at[1] * scale];
  tip.style.left = `${Math.max(4, Math.min(left + 12, document.documentElement.clientWidth - tip.offsetWidth - 4))}px`;
  tip.style.top = `${top > tip.offsetHeight + 16 ? top - tip.offsetHeight - 10 : top + 14}px`;
}
// Points have a place in the drawing's own units, lines to say, and an element to emphasize.
function hoverable(drawing, points) {
  if (!points.length) return drawing;
  const ordered = [...points].sort((a, b) => a.at[0] - b.at[0] || a.at[1] - b.at[1]);
  let current = -1;
  drawing.classList.add("hoverable");
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect(), scale = box.width / drawing.viewBox.baseVal.width;
    const far = ({ at }) => Math.hypot(at[0] * scale + box.left - event.clientX, at[1] * scale + box.top - event.clientY);
    const nearest = ordered.reduce((best, point) => (far(point) < far(best) ? point : best));
    if (far(nearest) > REACH) return hideTip();
    current = ordered.indexOf(nearest);
    return showTip(drawing, nearest);
  });
  drawing.addEventListener("pointerleave", hideTip);
  drawing.addEventListener("focusout", hideTip);
  drawing.addEventListener("focusin", (event) => {
    const at = ordered.findIndex((point) => point.element === event.target.closest(".point"));
    if (at >= 0) showTip(drawing, ordered[current = at]);
  });
  if (!points.some((point) => point.element?.matches("a"))) drawing.setAttribute("tabindex", 0);
  drawing.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") hideTip();
    if (!step) return;
    event.preventDefault();
    current = Math.max(0, Math.min(ordered.length - 1, current + step));
    showTip(drawing, ordered[current]);
  });
  return drawing;
}
window.addEventListener("scroll", hideTip, { passive: true });
