// Image browser: all masks of an image side by side, as masks or as contours over the image.

const samples = data.samples;
const browsing = { order: [], sample: 0, contours: false, buttons: [] };

function startSamples() {
  if (!element("browser")) return;
  browsing.buttons = samples.images.map(stripButton);
  element("strip").append(...browsing.buttons.map((button) => make("li", {}, button)));
  element("order").addEventListener("change", () => arrange(true));
  element("find").addEventListener("input", () => arrange(false));
  element("previous").addEventListener("click", () => step(-1));
  element("next").addEventListener("click", () => step(1));
  element("masks").addEventListener("click", () => drawAs(false));
  element("contours").addEventListener("click", () => drawAs(true));
  element("browser").addEventListener("keydown", stepByKey);
  arrange(true);
}

function stripButton(image, sample) {
  const picture = make("img", { loading: "lazy", src: pictureOf(sample), alt: "" });
  const button = make("button", { type: "button", title: data.images[image] }, picture, make("span"));
  button.addEventListener("click", () => show(sample));
  return button;
}

function nameOf(sample) {
  return data.images[samples.images[sample]];
}

function pictureOf(sample) {
  return `data:image/webp;base64,${samples.pictures[sample]}`;
}

function maskUri(text) {
  return `data:image/png;base64,${text}`;
}

/** Sort key of a sample, sign of the order, and label. */
function ordering() {
  const order = element("order").value;
  if (order === "name") return { value: nameOf, sign: 1, text: (name) => name };
  const [values, sign, text] =
    order === "disagreement"
      ? [samples.disagreement, -1, shareText]
      : [samples.scores[Number(order)], data.higherIsBetter ? 1 : -1, scoreText];
  return { value: (sample) => values[sample], sign, text };
}

/** Sort and filter the strip; keep the current image if it is still listed and `first` is false. */
function arrange(first) {
  const { value, sign, text } = ordering();
  const query = element("find").value.trim().toLowerCase();
  const all = [...samples.images.keys()].sort((a, b) => compareValues(value(a), value(b), sign));
  browsing.order = all.filter((sample) => nameOf(sample).toLowerCase().includes(query));
  element("strip").replaceChildren(...browsing.order.map((sample) => browsing.buttons[sample].parentElement));
  for (const sample of browsing.order) {
    const [name, label] = [nameOf(sample), text(value(sample))];
    browsing.buttons[sample].lastChild.textContent = label;
    browsing.buttons[sample].setAttribute("aria-label", label === name ? name : `${name}, ${label}`);
  }
  if (!browsing.order.length) showNothing();
  else show(first || !browsing.order.includes(browsing.sample) ? browsing.order[0] : browsing.sample);
}

function showNothing() {
  element("sample").textContent = "No image with this name";
  element("sample-text").textContent = "";
  element("panes").replaceChildren();
  for (const id of ["previous", "next"]) element(id).disabled = true;
}

function show(sample) {
  browsing.buttons[browsing.sample].removeAttribute("aria-current");
  browsing.sample = sample;
  const at = browsing.order.indexOf(sample);
  element("sample").textContent = nameOf(sample);
  const share = shareText(samples.disagreement[sample]);
  const position = `${at + 1} of ${browsing.order.length}`;
  element("sample-text").textContent = `${position}; the models disagree on ${share} of the pixels`;
  element("previous").disabled = at === 0;
  element("next").disabled = at === browsing.order.length - 1;
  markInStrip(sample);
  drawPanes(sample);
}

/** Mark the current image; its button is the only one of the strip in the tab order. */
function markInStrip(sample) {
  for (const button of browsing.buttons) button.tabIndex = -1;
  const button = browsing.buttons[sample];
  button.tabIndex = 0;
  button.setAttribute("aria-current", "true");
  if (element("strip").contains(document.activeElement)) button.focus({ preventScroll: true });
  const strip = element("strip");
  strip.scrollLeft = button.offsetLeft - (strip.clientWidth - button.offsetWidth) / 2;
}

function step(offset) {
  const next = browsing.order[browsing.order.indexOf(browsing.sample) + offset];
  if (next !== undefined) show(next);
}

function stepByKey(event) {
  const offset = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const ignored = event.altKey || event.ctrlKey || event.metaKey || ["INPUT", "SELECT"].includes(event.target.tagName);
  if (!offset || ignored) return;
  event.preventDefault();
  step(offset);
}

function drawAs(contours) {
  browsing.contours = contours;
  press(element("masks"), !contours);
  press(element("contours"), contours);
  element("mask-legend").hidden = contours;
  element("contour-legend").hidden = !contours;
  if (browsing.order.length) drawPanes(browsing.sample);
}

/** Show an image, and scroll to it with `jump`. */
function showImage(image, jump) {
  const sample = samples.images.indexOf(image);
  if (sample < 0) return;
  if (!browsing.order.includes(sample)) {
    element("find").value = "";
    arrange(false);
  }
  show(sample);
  if (!jump) return;
  element("images").scrollIntoView();
  element("sample").focus({ preventScroll: true });
}

function drawPanes(sample) {
  const name = nameOf(sample);
  const truth = samples.truths[sample];
  const panes = [
    pane(["Image"], "", make("img", { src: pictureOf(sample), alt: `The image ${name}.` })),
    pane(["Truth"], "", maskPicture(sample, truth, "", `The true mask of ${name}.`)),
  ];
  data.names.forEach((candidate, i) => {
    const score = `${data.metric} ${scoreText(samples.scores[i][sample])}`;
    const mask = samples.predictions[i][sample];
    const picture = mask
      ? maskPicture(sample, truth, mask, `${candidate}: the mask of ${name}.`)
      : make("p", { className: "absent", textContent: "no mask saved" });
    panes.push(pane([key(i), make("span", {}, part("name", i))], score, picture));
  });
  element("panes").replaceChildren(...panes);
}

function pane(title, score, picture) {
  const caption = make("figcaption", {}, make("span", { className: "candidate" }, ...title));
  if (score) caption.append(make("span", { className: "score", textContent: score }));
  return make("figure", {}, picture, caption);
}

/** The mask, or the contours of truth and prediction over the image. Without prediction: the truth. */
function maskPicture(sample, truth, prediction, alt) {
  if (!browsing.contours) return make("img", { className: "crisp", src: maskUri(prediction || truth), alt });
  const canvas = make("canvas", { className: "contours" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${alt} Contours over the image.`);
  drawContours(canvas, sample, truth, prediction);
  return canvas;
}

async function drawContours(canvas, sample, truth, prediction) {
  const files = [pictureOf(sample), maskUri(truth), ...(prediction ? [maskUri(prediction)] : [])];
  const [picture, ...masks] = await Promise.all(files.map(decoded));
  const side = Math.max(picture.naturalWidth, picture.naturalHeight);
  const factor = Math.max(2, Math.round(640 / side));
  canvas.width = picture.naturalWidth * factor;
  canvas.height = picture.naturalHeight * factor;
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const pixels = masks.map(pixelsOf);
  greyIgnored(context, pixels[0]);
  // The true contour is wider: it stays visible below the predicted one.
  const styles = [[data.truth, 11], [data.prediction, 6]];
  pixels.forEach((mask, i) => strokeContour(context, mask, ...styles[i]));
  canvas.dataset.drawn = "true";
}

async function decoded(uri) {
  const picture = make("img", { src: uri });
  await picture.decode();
  return picture;
}

/** Colour of every pixel of a mask, as a number. */
function pixelsOf(picture) {
  const { naturalWidth: width, naturalHeight: height } = picture;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(picture, 0, 0);
  const bytes = context.getImageData(0, 0, width, height).data;
  const value = (i) => (bytes[i] << 16) | (bytes[i + 1] << 8) | bytes[i + 2];
  return { width, height, values: Array.from({ length: width * height }, (_, i) => value(4 * i)) };
}

function colorNumber(text) {
  return parseInt(text.slice(1), 16);
}

function greyIgnored(context, { width, height, values }) {
  const [x, y] = [context.canvas.width / width, context.canvas.height / height];
  const ignored = colorNumber(data.ignored);
  context.fillStyle = `${data.ignored}a6`;
  values.forEach((value, i) => {
    if (value === ignored) context.fillRect((i % width) * x, Math.floor(i / width) * y, x, y);
  });
}

/** Lines between pixels of different values, at least one of them a class. */
function strokeContour(context, { width, height, values }, style, thickness) {
  const [sx, sy] = [context.canvas.width / width, context.canvas.height / height];
  const plain = new Set([colorNumber(data.background), colorNumber(data.ignored)]);
  const edge = (a, b) => values[a] !== values[b] && !(plain.has(values[a]) && plain.has(values[b]));
  const path = new Path2D();
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (x + 1 < width && edge(i, i + 1)) addLine(path, (x + 1) * sx, y * sy, (x + 1) * sx, (y + 1) * sy);
      if (y + 1 < height && edge(i, i + width)) addLine(path, x * sx, (y + 1) * sy, (x + 1) * sx, (y + 1) * sy);
    }
  }
  context.lineCap = "square";
  for (const [strokeStyle, lineWidth] of [["rgb(0 0 0 / 0.35)", thickness + 3], [style, thickness]]) {
    Object.assign(context, { strokeStyle, lineWidth });
    context.stroke(path);
  }
}

function addLine(path, x1, y1, x2, y2) {
  path.moveTo(x1, y1);
  path.lineTo(x2, y2);
}

startSamples();
