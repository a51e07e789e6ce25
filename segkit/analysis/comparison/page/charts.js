// Helpers of all plots (Chart.js). An entry in `plots` has `build` (returns the configuration), `stops`
// (elements that the arrow keys move between) and `pick` (action of a click or the Enter key).

const plots = {};
const hiddenPoints = { pointRadius: 0, pointHoverRadius: 0, pointHitRadius: 0 };

function addPlot(id, plot) {
  if (!element(id)) return;
  plots[id] = { at: -1, ...plot };
  element(id).addEventListener("keydown", (event) => moveByKey(id, event));
  draw(id);
}

function draw(id) {
  plots[id].chart?.destroy();
  plots[id].at = -1;
  plots[id].chart = new Chart(element(id), plots[id].build());
}

function drawAll() {
  Object.assign(Chart.defaults, { color: color("--muted"), borderColor: color("--line"), animation: false });
  Object.assign(Chart.defaults, { responsive: true, maintainAspectRatio: false });
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Object.keys(plots).forEach(draw);
}

/** Arrow keys show tooltips as the mouse does; the text also goes to a status for screen readers. */
function moveByKey(id, event) {
  const { chart, stops, pick } = plots[id];
  const all = stops(chart);
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step && all.length) {
    plots[id].at = Math.min(Math.max(plots[id].at + step, 0), all.length - 1);
    const active = all[plots[id].at];
    const { x, y } = active[0].element;
    chart.setActiveElements(active);
    chart.tooltip.setActiveElements(active, { x, y });
    chart.update();
    element(`${id}-status`).textContent = tooltipText(chart.tooltip);
  } else if (event.key === "Enter" && pick && plots[id].at >= 0) pick(all[plots[id].at]);
  else return;
  event.preventDefault();
}

function tooltipText(tooltip) {
  return [tooltip.title ?? [], (tooltip.body ?? []).map((part) => part.lines)].flat(3).join("; ");
}

function tooltipStyle() {
  return {
    backgroundColor: color("--ink"),
    titleColor: color("--sheet"),
    bodyColor: color("--sheet"),
    cornerRadius: 8,
    padding: 10,
    boxPadding: 4,
    boxWidth: 8,
    boxHeight: 8,
  };
}

function axis(text, more = {}) {
  return { title: { display: true, text }, border: { display: false }, ...more };
}

function grid(shown) {
  return shown ? { color: color("--line") } : { display: false };
}

/** Points of the first data set. */
function eachPoint(chart) {
  return chart.getDatasetMeta(0).data.map((element, index) => [{ datasetIndex: 0, index, element }]);
}

drawAll();
for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", drawAll);
