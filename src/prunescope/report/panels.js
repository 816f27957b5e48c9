// The parts of the page that show one level.

const NOT_MEASURED = "not measured";
const NOT_DEFINED = "not defined";

function percent(share) {
  const value = 100 * share;
  return `${value >= 9.5 ? value.toFixed(0) : +value.toPrecision(2)} %`;
}

function fixed(value, digits, unit = "") {
  // A value that rounds to zero has no sign.
  return Number.isFinite(value) ? value.toFixed(digits).replace(/^-(0(\.0+)?)$/, "$1") + unit : NOT_MEASURED;
}

const accuracyText = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : NOT_MEASURED);

/** Cells of an atlas: buttons for trained nodes, plain pairs for the null. Made once, painted for each level. */
class AtlasPanel {
  constructor(id, which, open) {
    this.host = document.getElementById(id);
    this.which = which;
    this.open = open;
    this.cells = [];
  }

  show(atlas) {
    while (this.cells.length < atlas.nodes.length) this.cells.push(this.cell(this.cells.length));
    this.cells.forEach((cell, k) => {
      cell.element.hidden = k >= atlas.nodes.length;
      if (cell.element.hidden) return;
      const { node, fan_in } = atlas.nodes[k];
      paintNode(cell.mask, atlas, k, this.which, "mask");
      paintNode(cell.weights, atlas, k, this.which, "weights");
      cell.element.classList.toggle("series", isSeries(atlas.shape));
      cell.caption.textContent = String(fan_in);
      if (this.open) cell.element.setAttribute("aria-label", `Node ${node}, ${fan_in} connections: show large`);
    });
  }

  cell(k) {
    const element = document.createElement(this.open ? "button" : "div");
    element.className = "node";
    if (this.open) {
      element.type = "button";
      element.addEventListener("click", () => this.open(k));
    }
    const mask = document.createElement("canvas");
    const weights = document.createElement("canvas");
    const caption = document.createElement("span");
    element.append(mask, weights, caption);
    this.host.append(element);
    return { element, mask, weights, caption };
  }
}

/** E S(d) of the uniform null for so many ordered pairs that lie anywhere: ∝ (H-|dy|)(W-|dx|). */
function expectedPairs(shape, pairs, different) {
  const [channels, height, width] = shape;
  const inputs = channels * height * width;
  const factor = (channels * (different ? channels - 1 : 1) * pairs) / (inputs * (inputs - 1));
  const values = new Float64Array((2 * height - 1) * (2 * width - 1));
  for (let y = 0, i = 0; y < 2 * height - 1; y++) {
    for (let x = 0; x < 2 * width - 1; x++, i++) {
      values[i] = factor * (height - Math.abs(y - height + 1)) * (width - Math.abs(x - width + 1));
    }
  }
  return values;
}

const FEWEST_PAIRS = 10; // displacements with fewer expected pairs are too noisy for a colour

function showMap(id, shape, level, relative) {
  const canvas = document.getElementById(id);
  const different = id === "different";
  const { rows, columns, max, values } = unpackCounts(level[id]);
  const centre = (values.length - 1) / 2;
  let shown, stops, text;
  if (relative) {
    const expected = expectedPairs(shape, level.pairs, different);
    const g = values.map((s, i) => (expected[i] >= FEWEST_PAIRS ? s / expected[i] : NaN));
    if (!different) g[centre] = NaN;
    const top = Math.max(1.5, ...g.filter(Number.isFinite));
    shown = g.map((v) => (Math.max(Math.log(v) / Math.log(top), -1) + 1) / 2);
    [stops, text] = [BLUE_RED, [`1/${top.toPrecision(2)}`, `${top.toPrecision(2)} × chance`]];
  } else {
    shown = values.map((s) => s / Math.max(max, 1));
    if (!different) shown[centre] = NaN;
    [stops, text] = [MAGMA, ["0", `${max.toLocaleString("en")} pairs`]];
  }
  paint(canvas, coloured(shown, rows, columns, stops));
  canvas.setAttribute("aria-label", `Pairs by displacement, ${text[0]} to ${text[1]}; brightest near the centre when masks are local`);
  const bar = document.createElement("canvas");
  bar.className = "scale";
  paint(bar, coloured(Float64Array.from({ length: 64 }, (_, i) => i / 63), 1, 64, stops));
  canvas.style.aspectRatio = `${columns} / ${rows}`;
  const within = (count) => `−${(count - 1) / 2} to ${(count - 1) / 2}`;
  const down = rows === columns ? "" : `, ${within(rows)} down`;
  const reach = `d from ${within(columns)} pixels across${down}`;
  document.getElementById(`${id}-caption`).replaceChildren(text[0], bar, text[1], document.createElement("br"), reach);
}

function showRadial(plot, level) {
  const last = Math.max(3, Math.round(0.75 * level.g.length));
  const points = level.g.map((g, r) => [r, g]).slice(1, last);
  const band = level.g_low.map((low, r) => [r, low, level.g_high[r]]).slice(1, last);
  plot.show("g, the pairs at a distance relative to chance", (p) => {
    const all = [...points.map(([, g]) => g), ...band.flatMap(([, a, b]) => [a, b]), 1].filter((v) => v > 0.05);
    const high = Math.max(1.2, ...all) * 1.1, low = Math.min(0.8, ...all) / 1.1;
    const x = { low: 1, high: last - 1, label: isSeries(run().shape) ? "lag |d| (samples)" : "distance |d| (pixels)" };
    p.axes(x, { low, high, log: true, ticks: logTicks(low, high) });
    p.band(band, "null");
    p.level(1, "dash");
    p.line(points, "line");
    p.dots(points.filter(([, g]) => g >= low), "dot", 2.5);
  });
}

function showHistogram(plot, { start, width, nodes, expected, mean }) {
  const text = `Nodes by fan-in, from ${start} to ${start + width * nodes.length - 1}; mean ${mean}`;
  plot.show(text, (p) => {
    const low = 0.3, high = 1.6 * Math.max(...nodes, ...expected);
    const x = { low: start - width / 2, high: start + width * (nodes.length - 0.5), label: "connections per node" };
    const powers = [1, 10, 100, 1000, 10000].filter((v) => v <= high);
    x.ticks = roundTicks(x.low, x.high, 6).filter(Number.isInteger);
    p.axes(x, { low, high, log: true, ticks: powers.length > 1 ? powers : logTicks(1, high) });
    nodes.forEach((count, k) => {
      if (!count) return;
      const left = p.x(start + width * k - width / 2), right = p.x(start + width * k + width / 2);
      draw(p.svg, "rect", { x: left, width: Math.max(1, right - left - 1), y: p.y(count), height: p.bottom - p.y(count), class: "bar" });
    });
    p.line(expected.map((count, k) => [start + width * k, Math.max(count, 1e-9)]), "curve");
    const at = p.x(mean - (width - 1) / 2);
    draw(p.svg, "path", { d: `M${at} ${p.bottom - 5}l5 9h-10z`, class: "mark" });
  });
}

function showAblation(plot, ablation, classes) {
  plot.show("Accuracy with first-layer nodes removed", (p) => {
    if (!ablation) return p.missing(NOT_MEASURED);
    const { removed } = ablation;
    const all = ["decreasing", "random", "increasing"].flatMap((order) => ablation[order]);
    const y = around([...all.map((v) => 100 * v), 100 / classes]);
    p.axes({ low: 0, high: removed[removed.length - 1], label: "first-layer nodes removed" }, { ...y, format: (v) => `${v} %` });
    p.level(100 / classes, "dash");
    for (const order of ["random", "increasing", "decreasing"]) p.line(removed.map((n, k) => [n, 100 * ablation[order][k]]), order);
  });
}

const images = (count) => (count === 1 && run().inputs === "images" ? "1 image" : `${count.toLocaleString("en")} ${run().inputs}`);
const onImages = (count) => (Number.isFinite(count) ? ` on ${images(count)}` : `, number of ${run().inputs} not stored`);
const ofImages = (count) => (Number.isFinite(count) ? ` of ${images(count)}` : "");

function showNumbers(level, validationImages) {
  const z = Number.isFinite(level.locality_z) ? ` (z = ${fixed(level.locality_z, 0)}, ${level.z_shuffles ? `sd of ${level.z_shuffles} shuffles` : "exact sd"})` : "";
  const dense = level.weight_density === 1; // no spread, no excess of near pairs
  const entries = [
    ["weight density of layer 1", Number.isFinite(level.weight_density) ? percent(level.weight_density) : NOT_MEASURED],
    ["connected nodes", `${level.units_alive ?? NOT_MEASURED} of ${level.units ?? "?"}`],
    ["fan-in, mean and largest", `${fixed(level.fan_in_mean, 1)}, ${level.fan_in_max ?? NOT_MEASURED}`],
    ["fan-in variance / binomial", dense && level.fan_in_var_ratio == null ? NOT_DEFINED : fixed(level.fan_in_var_ratio, 2)],
    ["locality", fixed(level.locality, 3) + z],
    ["half-width of g", dense && level.half_width == null ? NOT_DEFINED : fixed(level.half_width, 2, ` ${run().unit}`)],
    ...(isSeries(run().shape) ? [] : [["axes over diagonals of g", fixed(level.anisotropy, 2)]]),
    ["radius of gyration, mean", fixed(level.radius_of_gyration, 2, ` ${run().unit}`)],
    [`best validation accuracy${onImages(validationImages)}`, accuracyText(level.best_val_accuracy)],
    [`final validation accuracy${onImages(validationImages)}`, accuracyText(level.final_val_accuracy)],
    level.heldout_images === 0
      ? ["held-out accuracy", `no held-out ${run().inputs}`]
      : [`held-out accuracy${onImages(level.heldout_images)}`, accuracyText(level.heldout_accuracy)],
    ...level.further,
  ];
  document.getElementById("numbers").replaceChildren(
    ...entries.flatMap(([name, value]) => {
      const term = document.createElement("dt"), detail = document.createElement("dd");
      term.textContent = name;
      detail.textContent = value;
      return [term, detail];
    }),
  );
}
