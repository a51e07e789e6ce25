// Plot of scores over training images, with the fitted power law.

function learningCurvePlot() {
  const { images, line } = data.learningCurve;
  const points = [...images.keys()]
    .map((candidate) => ({ x: images[candidate], y: data.intervals[candidate][1], candidate }))
    .filter((point) => point.y !== null)
    .sort((a, b) => a.x - b.x);
  const colors = points.map(({ candidate }) => color(`--e${candidate}`));
  const edge = (end) => ({
    type: "line",
    data: line.map((values) => ({ x: values[0], y: values[end] })),
    borderWidth: 0,
    ...hiddenPoints,
    order: 3,
  });
  return {
    data: {
      datasets: [
        { type: "scatter", data: points, borderColor: colors, backgroundColor: colors, pointRadius: 5, pointHoverRadius: 7 },
        { ...edge(2), borderColor: color("--muted"), borderWidth: 1.5, borderDash: [6, 4], order: 2 },
        edge(1),
        { ...edge(3), fill: "-1", backgroundColor: `${color("--muted")}22` },
        ...points.map(whisker),
      ],
    },
    options: {
      interaction: { mode: "nearest", intersect: true },
      scales: {
        x: axis("training images (logarithmic)", { ...imageScale(images, line), grid: grid(false) }),
        y: axis(data.metric, { grace: "6%", grid: grid(true) }),
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          ...tooltipStyle(),
          displayColors: false,
          filter: (item) => item.datasetIndex === 0,
          callbacks: {
            title: ([item]) => shorten(data.names[item.raw.candidate], 40),
            label: ({ raw }) => [`${raw.x} training images`, `${data.metric}: ${intervalText(raw.candidate)}`],
          },
        },
      },
    },
  };
}

function imageScale(images, line) {
  const [least, most] = [Math.min(...images), line.length ? line.at(-1)[0] : Math.max(...images)];
  const shown = [...new Set([...images, most])];
  const afterBuildTicks = (scale) => Object.assign(scale, { ticks: shown.map((value) => ({ value })) });
  const ticks = { callback: (value) => String(value), autoSkip: false, maxRotation: 0 };
  return { type: "logarithmic", min: least / 1.1, max: most * 1.1, afterBuildTicks, ticks };
}

addPlot("learning-curve-chart", { build: learningCurvePlot, stops: eachPoint });
