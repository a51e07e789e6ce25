// The plot of curves over epochs.

const hiddenEntrants = new Set();

function curvePlot() {
  const curve = data.curves[Number(element("curve").value)];
  const means = curve.lines.map((line, entrant) => mainLine(line.mean, entrant));
  const seeds = curve.lines.flatMap((line, entrant) => line.seeds.map((seed) => seedLine(seed, entrant)));
  const datasets = [...means, ...seeds, ...curve.published.map(publishedLine)];
  return {
    type: "line",
    data: { datasets: datasets.filter((line) => line.data.length && !hiddenEntrants.has(line.entrant)) },
    options: {
      interaction: { mode: "epoch" },
      scales: {
        x: axis("epoch", { type: "linear", ...epochRange(curve), ticks: { precision: 0 }, grid: grid(false) }),
        y: axis(curve.label, { grid: grid(true) }),
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          ...tooltipLook(),
          filter: (item) => !item.dataset.seed,
          itemSort: (one, other) => other.raw.y - one.raw.y,
          callbacks: {
            title: ([item]) => `epoch ${item.raw.x}`,
            label: (item) => `${shorten(item.dataset.label, 32)}: ${scoreText(item.raw.y)}`,
            labelColor: ({ dataset }) => ({ backgroundColor: dataset.borderColor, borderColor: dataset.borderColor }),
          },
        },
      },
    },
  };
}

function epochRange(curve) {
  const told = [...curve.lines.map((line) => line.mean), ...curve.published.map((line) => line.points)].flat();
  const [first, last] = [Math.min(...told.map(([x]) => x)), Math.max(...told.map(([x]) => x))];
  return first < last ? { min: first, max: last } : { min: first - 1, max: first + 1 };
}

function mainLine(points, entrant) {
  return {
    label: data.names[entrant],
    entrant,
    data: points.map(([x, y]) => ({ x, y })),
    borderColor: color(`--e${entrant}`),
    borderDash: data.dashes[entrant],
    borderWidth: 2.25,
    pointRadius: points.length === 1 ? 4 : 0,
    pointBackgroundColor: color(`--e${entrant}`),
    order: 1,
  };
}

function seedLine(points, entrant) {
  const pale = `${color(`--e${entrant}`)}66`;
  return { ...mainLine(points, entrant), seed: true, borderColor: pale, borderWidth: 1, pointHoverRadius: 0, order: 2 };
}

function publishedLine({ source, entrant, points }) {
  return { ...mainLine(points, entrant), label: source, borderDash: [6, 4], borderWidth: 1.5, order: 3 };
}

Chart.Interaction.modes.epoch = (chart, event) => {
  const aimed = chart.scales.x.getValueForPixel(event.x);
  const away = (epoch) => Math.abs(epoch - aimed);
  const [nearest] = epochs(chart).sort((a, b) => away(a) - away(b));
  return atEpoch(chart, nearest);
};

function epochs(chart) {
  return [...new Set(chart.data.datasets.flatMap((line) => line.data.map((point) => point.x)))].sort((a, b) => a - b);
}

function atEpoch(chart, epoch) {
  return chart.data.datasets.flatMap((line, datasetIndex) => {
    const index = line.data.findIndex((point) => point.x === epoch);
    return index < 0 ? [] : [{ datasetIndex, index, element: chart.getDatasetMeta(datasetIndex).data[index] }];
  });
}

function tellCurve() {
  const curve = data.curves[Number(element("curve").value)];
  const several = curve.lines.some((line) => line.seeds.length);
  const sources = [...new Set(curve.published.map((line) => line.source))];
  const said = several ? ["Strong lines are means over the seeds, thin lines single seeds."] : [];
  if (sources.length) said.push(`Dashed: ${sources.join("; ")}.`);
  element("curve-text").textContent = said.join(" ");
}

function startCurves() {
  if (!element("curve")) return;
  const stops = (chart) => epochs(chart).map((epoch) => atEpoch(chart, epoch));
  addPlot("curve-chart", { build: curvePlot, stops });
  tellCurve();
  element("curve").addEventListener("change", () => {
    draw("curve-chart");
    tellCurve();
  });
  for (const button of element("curve-legend").querySelectorAll("button")) {
    button.addEventListener("click", () => switchEntrant(button));
  }
}

function switchEntrant(button) {
  const entrant = Number(button.dataset.entrant);
  const shown = hiddenEntrants.delete(entrant);
  if (!shown) hiddenEntrants.add(entrant);
  press(button, shown);
  draw("curve-chart");
}

startCurves();
