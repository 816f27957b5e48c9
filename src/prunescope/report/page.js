// One level of one run is shown at a time; slider, curves and run selector choose it.

const DATA = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const plots = Object.fromEntries(["accuracy", "locality", "spread", "radial", "histogram", "ablation", "same-lags", ...(document.getElementById("different-lags") ? ["different-lags"] : [])].map((id) => [id, new Plot(id)]));
const state = { run: 0, index: 0 };
const run = () => DATA.runs[state.run];
const level = () => run().levels[state.index];
let atlas = null;

const trained = new AtlasPanel("trained", "trained", openNode);
const shuffled = new AtlasPanel("shuffled", "shuffled", null);

/** A curve over the levels: the seeds' mean and sd, this run, its null; marks the level shown.
 *  Its axis covers `within` at least, so that noise around 1 is not blown up. */
function showCurve(plot, name, label, options) {
  const curves = DATA.groups[run().group].curves;
  const factor = options.factor ?? 1;
  const value = (row, key) => (row[key] == null ? NaN : factor * row[key]);
  const mean = curves.map((row) => [row.u, value(row, `${name}_mean`)]);
  const own = run().levels.map((row) => [row.u, value(row, name)]);
  const sd = curves.map((row) => [row.u, value(row, `${name}_mean`) - value(row, `${name}_sd`), value(row, `${name}_mean`) + value(row, `${name}_sd`)]);
  const nulls = run().levels.map((row) => [row.u, row[`${name}_null`] - 2 * row[`${name}_null_sd`], row[`${name}_null`] + 2 * row[`${name}_null_sd`]]).filter((_, k) => run().levels[k][`${name}_null_sd`] != null);
  plot.show(label, (p) => {
    const values = [...mean, ...own].map(([, y]) => y).concat(sd.flatMap((row) => row.slice(1)), options.reference ?? [], options.within ?? []);
    if (!mean.some(([, y]) => Number.isFinite(y))) return p.missing(NOT_MEASURED);
    const us = [...curves, ...run().levels].map((row) => row.u);
    const [low, high] = [Math.min(...us), Math.max(...us)];
    const x = { low, high: high > low ? high : low * 1.01, log: true, reverse: true, label: "unpruned weights u (%)", format: (u) => String(+(100 * u).toPrecision(3)) };
    p.axes({ ...x, ticks: logTicks(low, high) }, { ...around(values), format: options.format });
    if (options.null) p.band(nulls, "null");
    if (options.reference !== undefined) p.level(options.reference, "dash");
    p.band(sd, "sd");
    if (curves.some((row) => row.seeds > 1)) p.line(own, "thin");
    p.line(mean, "line");
    p.dots(mean, "dot", 2.5);
    p.upright(level().u, "now");
    p.dots([[level().u, value(level(), name)]], "now-dot", 5);
    p.svg.addEventListener("click", (event) => choose(nearest(p, event.clientX - p.svg.getBoundingClientRect().left)));
  });
  plot.host.classList.add("pick");
}

function nearest(plot, pixel) {
  const distances = run().levels.map(({ u }) => Math.abs(plot.x(u) - pixel));
  return distances.indexOf(Math.min(...distances));
}

function showCurves() {
  const dense = DATA.groups[run().group].curves.find((row) => row.level === 0);
  find("dense-key").hidden = !dense;
  const reference = dense ? 100 * dense.best_val_accuracy_mean : undefined;
  showCurve(plots.accuracy, "best_val_accuracy", "Best validation accuracy against unpruned weights", { factor: 100, reference, format: (v) => `${v} %` });
  showCurve(plots.locality, "locality", "Locality of the first layer against unpruned weights", { null: true, within: [0.9, 1.2] });
  showCurve(plots.spread, "fan_in_var_ratio", "Fan-in variance against unpruned weights", { null: true, reference: 1, within: [0.8, 1.3] });
}

function showReading() {
  const { level: number, u, best_val_accuracy, locality } = level();
  const slider = find("level");
  slider.max = run().levels.length - 1;
  slider.value = state.index;
  slider.setAttribute("aria-valuetext", `level ${number}, ${percent(u)} of the weights unpruned`);
  const bold = document.createElement("b");
  bold.textContent = `level ${number} · u = ${percent(u)}`;
  find("reading").replaceChildren(bold, ` · accuracy ${accuracyText(best_val_accuracy)}${Number.isFinite(best_val_accuracy) ? ofImages(run().validation_images) : ""} · locality ${fixed(locality, 2)}`);
  for (const place of document.querySelectorAll(".at")) place.textContent = `at level ${number}, u = ${percent(u)}`;
}

function showMaps() {
  const relative = document.querySelector("input[name=scale]:checked").value === "relative";
  showPairs("same", relative);
  const figure = find("different-figure");
  if (figure) figure.hidden = !level().different;
  if (level().different) showPairs("different", relative);
}

/** A map of displacements, or for series a curve over the lag. */
function showPairs(id, relative) {
  const series = isSeries(run().shape);
  find(id).hidden = series;
  find(`${id}-lags`).hidden = !series;
  if (series) showLags(plots[`${id}-lags`], id, run().shape, level(), relative);
  else showMap(id, run().shape, level(), relative);
}

function showWords() {
  for (const kind of ["unit", "inputs"]) {
    for (const place of document.querySelectorAll(`.${kind}`)) place.textContent = run()[kind];
  }
  for (const place of document.querySelectorAll(".reach")) place.textContent = isSeries(run().shape) ? "lag" : "distance";
}

function show() {
  atlas = new Atlas(run().shape, level());
  showWords();
  showReading();
  showCurves();
  trained.show(atlas);
  shuffled.show(atlas);
  showMaps();
  showRadial(plots.radial, level());
  showHistogram(plots.histogram, level().histogram);
  showAblation(plots.ablation, level().ablation, run().classes);
  showNumbers(level(), run().validation_images);
}

function choose(index) {
  state.index = Math.min(Math.max(index, 0), run().levels.length - 1);
  show();
}

function chooseRun(number) {
  const shown = level().level;
  state.run = number;
  const same = run().levels.findIndex((row) => row.level === shown);
  showFacts();
  choose(same >= 0 ? same : run().levels.length - 1);
}

function showFacts() {
  const group = DATA.groups[run().group];
  find("facts").replaceChildren(
    ...group.facts.map(({ value, text }) => {
      const item = document.createElement("li"), strong = document.createElement("strong"), span = document.createElement("span");
      strong.textContent = value;
      span.textContent = text;
      item.append(strong, span);
      return item;
    }),
  );
  const images = onImages(run().validation_images);
  const several = group.seeds > 1 ? `(mean ± sd of ${group.seeds} seeds${images}, the same for all; thin: the run chosen)` : `(1 seed${images}, so without a spread)`;
  for (const place of document.querySelectorAll(".of-images")) place.textContent = images;
  for (const place of document.querySelectorAll(".of-group")) place.textContent = group.label;
  for (const place of document.querySelectorAll(".in-colour")) place.hidden = run().shape[0] === 1;
  for (const place of document.querySelectorAll(".in-grey")) place.hidden = run().shape[0] > 1;
  if (find("classes")) find("classes").textContent = group.classes;
  for (const place of document.querySelectorAll(".of-seeds")) place.textContent = several;
  find("footer").textContent = `${run().name}, identity ${run().identity}, seed ${run().seed}, ${run().status}. Locality: the share of same-channel pairs of ${run().unit} of a node that lie within 2 ${run().unit} of each other, over that share at random places. ${group.notes.join(". ")}`;
}

/** A picture of the sheet on a canvas, and its activation. */
function topImage(place, activation, rank) {
  const [, height, width] = run().shape;
  const { columns, tile_width, tile_height } = run().sheet;
  const figure = document.createElement("figure"), canvas = document.createElement("canvas"), caption = document.createElement("figcaption");
  [canvas.width, canvas.height] = [width, height];
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${isSeries(run().shape) ? "Series" : "Image"} number ${rank}, activation ${activation}`);
  const x = (place % columns) * tile_width, y = Math.floor(place / columns) * tile_height;
  if (isSeries(run().shape)) paintStoredSeries(canvas, sheets[state.run], x, y, run().shape);
  else canvas.getContext("2d").drawImage(sheets[state.run], x, y, width, height, 0, 0, width, height);
  caption.textContent = `activation ${activation ?? NOT_MEASURED}`;
  figure.append(canvas, caption);
  return figure;
}

function openNode(k) {
  const { node, fan_in, radius, low, high, images, activations } = level().nodes[k];
  find("node-title").textContent = `Node ${node}`;
  const spread = radius == null ? "" : `; their radius of gyration is ${radius} ${run().unit}`;
  find("node-text").textContent = `${fan_in} connections left (rank ${k + 1} of ${level().units ?? "all"}) at level ${level().level}, u = ${percent(level().u)}${spread}.`;
  paintNode(find("node-mask"), atlas, k, "trained", "mask");
  paintNode(find("node-weights"), atlas, k, "trained", "weights");
  find("node-mask-caption").textContent = isSeries(run().shape) ? `mask, ${run().shape[2]} samples from left to right` : "mask";
  const [lowest, highest] = isSeries(run().shape) ? ["blue", "red"] : ["dark", "bright"];
  find("node-range").textContent = `weights, ${low.toPrecision(2)} (${lowest}) to ${high.toPrecision(2)} (${highest})`.replaceAll("-", "−");
  const pictures = images.map((place, rank) => topImage(place, activations[rank], rank + 1));
  if (!pictures.length) pictures.push(NOT_MEASURED);
  find("node-images").replaceChildren(...pictures);
  find("node").showModal();
}

const sheets = DATA.runs.map(({ sheet }) => {
  const image = new Image();
  if (sheet) image.src = sheet.uri;
  return image;
});

find("level").addEventListener("input", (event) => choose(Number(event.target.value)));
find("run")?.addEventListener("change", (event) => chooseRun(Number(event.target.value)));
for (const radio of document.querySelectorAll("input[name=scale]")) radio.addEventListener("change", showMaps);
find("close").addEventListener("click", () => find("node").close());
find("node").addEventListener("click", (event) => event.target === find("node") && find("node").close());

/** The level shown first: the one the facts speak of. */
function firstIndex() {
  const at = run().levels.findIndex((row) => row.level === DATA.groups[run().group].opens_at);
  return at >= 0 ? at : run().levels.length - 1;
}

showFacts();
choose(firstIndex());
