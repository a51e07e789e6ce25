// Plot of a pair's differences by image.

function shownPair() {
  const pair = data.pairs[Number(element("pair").value)];
  const [a, b] = [data.scores[pair.a], data.scores[pair.b]];
  const images = [...data.images.keys()].filter((i) => a[i] !== null && b[i] !== null);
  const bars = images.map((image) => ({ image, difference: a[image] - b[image] }));
  return { ...pair, bars: bars.sort((x, y) => x.difference - y.difference) };
}

function differencePlot() {
  const pair = shownPair();
  const better = (difference) => (difference > 0 === data.higherIsBetter ? pair.a : pair.b);
  const names = [data.names[pair.a], data.names[pair.b]].map((name) => shorten(name));
  const label = ({ image, difference }) => [
    `${names[0]}: ${scoreText(data.scores[pair.a][image])}`,
    `${names[1]}: ${scoreText(data.scores[pair.b][image])}`,
    `difference: ${signedText(difference)}`,
  ];
  return {
    type: "bar",
    data: {
      labels: pair.bars.map((bar) => data.images[bar.image]),
      datasets: [
        {
          data: pair.bars.map((bar) => bar.difference),
          backgroundColor: pair.bars.map((bar) => color(`--e${better(bar.difference)}`)),
          barPercentage: 1,
          categoryPercentage: pair.bars.length > 150 ? 1 : 0.85,
          order: 1,
        },
        ...meanLines(pair),
      ],
    },
    options: {
      interaction: { mode: "index", intersect: false },
      onClick: (event, active) => pickBar(active),
      scales: {
        x: axis(`${pair.bars.length} images, sorted`, { ticks: { display: false }, grid: grid(false) }),
        y: axis(`${data.metric}: ${names.join(` ${MINUS} `)}`, { grid: { color: zeroLineColor }, ticks: { callback: signedTick } }),
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          ...tooltipStyle(),
          displayColors: false,
          filter: (item) => item.datasetIndex === 0,
          callbacks: { title: ([item]) => shorten(item.label, 40), label: (item) => label(pair.bars[item.dataIndex]) },
        },
      },
    },
  };
}

function zeroLineColor({ tick }) {
  return color(tick.value === 0 ? "--muted" : "--line");
}

function signedTick(value) {
  const text = Chart.Ticks.formatters.numeric.apply(this, arguments);
  return value > 0 ? `+${text}` : text.replace("-", MINUS);
}

/** Mean difference as a line, its interval as a band. */
function meanLines({ bars, mean, low, high }) {
  const line = (value, style) => ({ type: "line", data: bars.map(() => value), ...hiddenPoints, ...style });
  const band = { borderWidth: 0, backgroundColor: `${color("--ink")}1f` };
  return [line(mean, { borderColor: color("--ink"), borderWidth: 1.5 }), line(low, band), line(high, { ...band, fill: "-1" })];
}

function pickBar(active) {
  if (active.length) showImage(shownPair().bars[active[0].index].image, true);
}

function showPair(number) {
  element("pair").value = number;
  element("pair-text").textContent = data.pairs[number].text;
  for (const row of element("pairs-table").tBodies[0].rows) {
    const selected = Number(row.dataset.pair) === number;
    row.classList.toggle("best", selected);
    row.querySelector("button").setAttribute("aria-current", String(selected));
  }
}

function startDifferences() {
  if (!element("pair")) return;
  const select = (number) => {
    showPair(number);
    draw("difference-chart");
  };
  showPair(0);
  addPlot("difference-chart", { build: differencePlot, stops: eachPoint, pick: pickBar });
  element("pair").addEventListener("change", () => select(Number(element("pair").value)));
  for (const row of element("pairs-table").tBodies[0].rows) {
    row.addEventListener("click", () => select(Number(row.dataset.pair)));
  }
}

startDifferences();
