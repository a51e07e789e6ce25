// The plot of a pair's differences, image by image.

function shownPair() {
  const pair = data.pairs[Number(element("pair").value)];
  const [a, b] = [data.scores[pair.a], data.scores[pair.b]];
  const images = [...data.images.keys()].filter((i) => a[i] !== null && b[i] !== null);
  const bars = images.map((image) => ({ image, difference: a[image] - b[image] }));
  return { ...pair, bars: bars.sort((one, other) => one.difference - other.difference) };
}

function differencePlot() {
  const pair = shownPair();
  const better = (difference) => (difference > 0 === data.higherIsBetter ? pair.a : pair.b);
  const said = [data.names[pair.a], data.names[pair.b]].map((name) => shorten(name));
  const label = ({ image, difference }) => [
    `${said[0]}: ${scoreText(data.scores[pair.a][image])}`,
    `${said[1]}: ${scoreText(data.scores[pair.b][image])}`,
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
        },
      ],
    },
    options: {
      interaction: { mode: "index", intersect: false },
      onClick: (event, active) => pickBar(active),
      scales: {
        x: axis(`${pair.bars.length} images, sorted`, { ticks: { display: false }, grid: grid(false) }),
        y: axis(`${data.metric}: ${said.join(` ${MINUS} `)}`, { grid: grid(true), ticks: { callback: signedTick } }),
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          ...tooltipLook(),
          displayColors: false,
          callbacks: { title: ([item]) => shorten(item.label, 40), label: (item) => label(pair.bars[item.dataIndex]) },
        },
      },
    },
    plugins: [{ afterDatasetsDraw: (chart) => drawMean(chart, pair) }],
  };
}

function signedTick(value) {
  const text = Chart.Ticks.formatters.numeric.apply(this, arguments);
  return value > 0 ? `+${text}` : text.replace("-", MINUS);
}

/** The mean difference as a line, its interval as a band, zero as an axis. */
function drawMean({ ctx, chartArea: { left, right, width }, scales: { y } }, { mean, low, high }) {
  const line = (value, look) => {
    Object.assign(ctx, look);
    ctx.beginPath();
    ctx.moveTo(left, y.getPixelForValue(value));
    ctx.lineTo(right, y.getPixelForValue(value));
    ctx.stroke();
  };
  ctx.save();
  line(0, { strokeStyle: color("--muted"), lineWidth: 1 });
  if (mean !== null) line(mean, { strokeStyle: color("--ink"), lineWidth: 1.5 });
  if (low !== null && high !== null) {
    ctx.globalAlpha = 0.12;
    ctx.fillStyle = color("--ink");
    ctx.fillRect(left, y.getPixelForValue(high), width, y.getPixelForValue(low) - y.getPixelForValue(high));
    ctx.globalAlpha = 1;
  }
  if (mean !== null) nameMean(ctx, mean, low ?? mean, high ?? mean, { left, right, y });
  ctx.restore();
}

/** Beside the line, at the end where bars of the other sign leave room. */
function nameMean(ctx, mean, low, high, { left, right, y }) {
  const above = mean >= 0;
  ctx.font = `600 12px ${Chart.defaults.font.family}`;
  ctx.fillStyle = color("--ink");
  const place = above
    ? { textAlign: "left", textBaseline: "bottom", at: [left + 6, y.getPixelForValue(high) - 4] }
    : { textAlign: "right", textBaseline: "top", at: [right - 6, y.getPixelForValue(low) + 4] };
  Object.assign(ctx, { textAlign: place.textAlign, textBaseline: place.textBaseline });
  ctx.fillText(`mean ${signedText(mean)}`, ...place.at);
}

function pickBar(active) {
  if (active.length) showImage(shownPair().bars[active[0].index].image, true);
}

function showPair(number) {
  element("pair").value = number;
  element("pair-text").textContent = data.pairs[number].text;
  for (const row of element("pairs-table").tBodies[0].rows) {
    const chosen = Number(row.dataset.pair) === number;
    row.classList.toggle("best", chosen);
    row.querySelector("button").setAttribute("aria-current", String(chosen));
  }
}

function startDifferences() {
  if (!element("pair")) return;
  const choose = (number) => {
    showPair(number);
    draw("difference-chart");
  };
  showPair(0);
  addPlot("difference-chart", { build: differencePlot, stops: eachPoint, pick: pickBar });
  element("pair").addEventListener("change", () => choose(Number(element("pair").value)));
  for (const row of element("pairs-table").tBodies[0].rows) {
    row.addEventListener("click", () => choose(Number(row.dataset.pair)));
  }
}

startDifferences();
