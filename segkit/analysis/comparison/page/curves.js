// Plot of curves over epochs.

const hiddenCandidates = new Set();

function curvePlot() {
  const curve = data.curves[Number(element("curve").value)];
  const means = curve.lines.map((line, candidate) => mainLine(line.mean, candidate));
  const seeds = curve.lines.flatMap((line, candidate) => line.seeds.map((seed) => seedLine(seed, candidate)));
  const datasets = [...means, ...seeds, ...curve.published.map(publishedLine)];
  return {
    type: "line",
    data: { datasets: datasets.filter((line) => line.data.length && !hiddenCandidates.has(line.candidate)) },
    options: {
      interaction: { mode: "epoch" },
      scales: {
        x: axis("epoch", { type: "linear", ...epochRange(curve), ticks: { precision: 0 }, grid: grid(false) }),
        y: axis(curve.label, { grid: grid(true) }),
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          ...tooltipStyle(),
          filter: (item) => !item.dataset.seed,
          itemSort: (a, b) => b.raw.y - a.raw.y,
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
  const points = [...curve.lines.map((line) => line.mean), ...curve.published.map((line) => line.points)].flat();
  const [first, last] = [Math.min(...points.map(([x]) => x)), Math.max(...points.map(([x]) => x))];
  return first < last ? { min: first, max: last } : { min: first - 1, max: first + 1 };
}

function mainLine(points, candidate) {
  return {
    label: data.names[candidate],
    candidate,
    data: points.map(([x, y]) => ({ x, y })),
    borderColor: color(`--e${candidate}`),
    borderDash: data.dashes[candidate],
    borderWidth: 2.25,
    pointRadius: points.length === 1 ? 4 : 0,
    pointBackgroundColor: color(`--e${candidate}`),
    order: 1,
  };
}

function seedLine(points, candidate) {
  const pale = `${color(`--e${candidate}`)}66`;
  return { ...mainLine(points, candidate), seed: true, borderColor: pale, borderWidth: 1, pointHoverRadius: 0, order: 2 };
}

function publishedLine({ source, candidate, points }) {
  return { ...mainLine(points, candidate), label: source, borderDash: [6, 4], borderWidth: 1.5, order: 3 };
}

Chart.Interaction.modes.epoch = (chart, event) => {
  const position = chart.scales.x.getValueForPixel(event.x);
  const distance = (epoch) => Math.abs(epoch - position);
  const [nearest] = epochs(chart).sort((a, b) => distance(a) - distance(b));
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

function describeCurve() {
  const curve = data.curves[Number(element("curve").value)];
  const several = curve.lines.some((line) => line.seeds.length);
  const sources = [...new Set(curve.published.map((line) => line.source))];
  const text = several ? ["Thick lines: means over seeds; thin lines: single seeds."] : [];
  if (sources.length) text.push(`Dashed: ${sources.join("; ")}.`);
  element("curve-text").textContent = text.join(" ");
}

function startCurves() {
  if (!element("curve")) return;
  const stops = (chart) => epochs(chart).map((epoch) => atEpoch(chart, epoch));
  addPlot("curve-chart", { build: curvePlot, stops });
  describeCurve();
  element("curve").addEventListener("change", () => {
    draw("curve-chart");
    describeCurve();
  });
  for (const button of element("curve-legend").querySelectorAll("button")) {
    button.addEventListener("click", () => toggleCandidate(button));
  }
}

function toggleCandidate(button) {
  const candidate = Number(button.dataset.candidate);
  const shown = hiddenCandidates.delete(candidate);
  if (!shown) hiddenCandidates.add(candidate);
  press(button, shown);
  draw("curve-chart");
}

startCurves();
