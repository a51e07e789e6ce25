// Plot of quality against cost, with its Pareto front.

function costPlot() {
  const cost = data.costs[Number(element("cost-select").value)];
  const point = (candidate) => ({ x: cost.values[candidate], y: data.intervals[candidate][1], candidate });
  const defined = (candidate) => cost.values[candidate] !== null && data.intervals[candidate][1] !== null;
  const points = [...data.names.keys()].filter(defined).map(point).sort((a, b) => a.x - b.x);
  const ends = points.flatMap(({ candidate }) => data.intervals[candidate]).filter((end) => end !== null);
  const colors = points.map(({ candidate }) => color(`--e${candidate}`));
  const front = new Set(cost.front);
  return {
    data: {
      datasets: [
        {
          type: "scatter",
          data: points,
          borderColor: colors,
          backgroundColor: points.map(({ candidate }, i) => (front.has(candidate) ? colors[i] : color("--sheet"))),
          borderWidth: 2.5,
          pointRadius: 6,
          pointHoverRadius: 8,
          pointHitRadius: 6,
        },
        {
          type: "line",
          data: cost.front.map(point),
          stepped: "before",
          borderColor: color("--muted"),
          borderWidth: 1.5,
          ...hiddenPoints,
          order: 1,
        },
        ...points.map(whisker),
      ],
    },
    options: {
      interaction: { mode: "nearest", intersect: true },
      layout: { padding: { right: 12 } },
      scales: {
        x: axis(cost.axis, { ...costScale(cost, points), grid: grid(false) }),
        y: axis(data.metric, { ...yRange(ends), grace: "6%", grid: grid(true) }),
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          ...tooltipStyle(),
          displayColors: false,
          filter: (item) => item.datasetIndex === 0,
          callbacks: {
            title: ([item]) => shorten(data.names[item.raw.candidate], 40),
            label: ({ raw }) => [
              `${data.metric}: ${intervalText(raw.candidate)}`,
              `${cost.label}: ${cost.texts[raw.candidate]}`,
            ],
          },
        },
      },
    },
    plugins: [{ afterDatasetsDraw: drawNames }],
  };
}

function yRange(ends) {
  return { suggestedMin: Math.min(...ends), suggestedMax: Math.max(...ends) };
}

function costScale(cost, points) {
  const values = points.map((point) => point.x);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const compact = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, notation: "compact" });
  const plain = (value) => compact.format(value);
  if (!cost.log) return { type: "linear", min: 0, max: most * 1.2 || 1, ticks: { callback: plain } };
  const labelled = most / least > 300 ? /^1e/ : /^[125]e/;
  const callback = (value) => (labelled.test(value.toExponential()) ? compact.format(value) : "");
  const ticks = { callback, autoSkip: false, maxRotation: 0 };
  return { type: "logarithmic", min: least / 1.6, max: most * 2.5, ticks };
}

function intervalText(candidate) {
  const [low, mean, high] = data.intervals[candidate];
  return low === null ? scoreText(mean) : `${scoreText(mean)} (${scoreText(low)} to ${scoreText(high)})`;
}

function whisker({ x, candidate }) {
  const [low, , high] = data.intervals[candidate];
  const ends = low === null || high === null ? [] : [{ x, y: low }, { x, y: high }];
  return { type: "line", data: ends, borderColor: `${color(`--e${candidate}`)}99`, borderWidth: 1.5, ...hiddenPoints, order: 2 };
}

/** Names beside the points where they fit; tooltips have the others. */
function drawNames(chart) {
  const { ctx, chartArea } = chart;
  const dots = chart.getDatasetMeta(0).data;
  const taken = dots.map(({ x, y }) => ({ left: x - 7, right: x + 7, top: y - 7, bottom: y + 7 }));
  ctx.save();
  ctx.font = `12px ${Chart.defaults.font.family}`;
  Object.assign(ctx, { fillStyle: color("--ink"), strokeStyle: color("--sheet") });
  Object.assign(ctx, { lineWidth: 4, textBaseline: "middle" });
  dots.forEach(({ x, y }, i) => {
    const name = shorten(data.names[chart.data.datasets[0].data[i].candidate], 24);
    const width = ctx.measureText(name).width;
    const [left, right] = [x - width - 8, x + 8];
    const corners = [[right, y - 12], [left, y - 12], [right, y + 12], [left, y + 12], [right + 4, y], [left - 4, y]];
    const boxes = corners.map(([left, middle]) => ({ left, right: left + width, top: middle - 8, bottom: middle + 8 }));
    const free = boxes.find((box) => inside(box, chartArea) && !taken.some((used) => overlap(box, used)));
    if (!free) return;
    taken.push(free);
    ctx.strokeText(name, free.left, free.top + 8);
    ctx.fillText(name, free.left, free.top + 8);
  });
  ctx.restore();
}

function inside(box, area) {
  const wide = box.left >= area.left && box.right <= area.right + 12;
  return wide && box.top >= area.top - 4 && box.bottom <= area.bottom;
}

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

function listFront() {
  const cost = data.costs[Number(element("cost-select").value)];
  const names = cost.front.map((candidate) => data.names[candidate]);
  element("front").textContent = `Pareto front, cheapest first: ${names.join(", ")}.`;
}

function startCosts() {
  if (!element("cost-select")) return;
  addPlot("cost-chart", { build: costPlot, stops: eachPoint });
  listFront();
  element("cost-select").addEventListener("change", () => {
    draw("cost-chart");
    listFront();
  });
}

startCosts();
