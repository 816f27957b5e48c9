// Pictures of a layer: its mask, masks of units as images, maps and bars of its kind, histograms of connections.

const DATA = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);

/** What a quantity is called in a layer, with its sentence and its null's. */
const wordsOf = (layer, name) => DATA.kind_words[layer.kind]?.[name] ?? DATA.words[name];

/** An element with a class, attributes and contents; text is never taken for markup. */
function make(tag, name, ...contents) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...contents);
  return element;
}

const minus = (text) => text.replaceAll("-", "−");

/** A number with three significant digits, or with as many more as tell it from its null of this sd. */
function shortly(value, sd = 0) {
  if (value == null) return "–";
  const size = Math.abs(value);
  const digits = sd > 0 && size > 0 ? Math.min(9, Math.max(3, Math.floor(Math.log10(size)) - Math.floor(Math.log10(sd)) + 1)) : 3;
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return minus(value.toExponential(digits === 3 ? 1 : digits - 1));
  if (size >= 100 && digits === 3) return minus(Math.round(value).toLocaleString("en"));
  return minus(digits > 3 ? value.toPrecision(digits) : String(+value.toPrecision(3)));
}

function signed(z) {
  if (z == null) return "–";
  const size = Math.abs(z);
  if (size < 0.05) return "0.0";
  const text = size >= 1e5 ? size.toExponential(1) : size >= 10 ? Math.round(size).toLocaleString("en") : size.toFixed(1);
  return `${z < 0 ? "−" : "+"}${text}`;
}

function share(value) {
  const percents = 100 * value;
  return `${percents >= 9.95 ? +percents.toFixed(1) : +percents.toPrecision(2)} %`;
}

/** A canvas of grey pixels in 0 … 255. */
function greyCanvas(rows, columns, value, name, label) {
  const image = new ImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) {
    image.data.fill(value(i), 4 * i, 4 * i + 3);
    image.data[4 * i + 3] = 255;
  }
  return canvasOf(image, name, label);
}

function canvasOf(image, name, label) {
  const canvas = make("canvas", name);
  paint(canvas, image);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  return canvas;
}

/** The picture of a mask, with what its pixels are. */
function maskFigure(layer) {
  const { rows, columns, white, bits, data } = layer.picture;
  const packed = bytes(data);
  const canvas = greyCanvas(rows, columns, (i) => (bits ? 255 * isSet(packed, i) : packed[i]), "mask", "The mask: units from top to bottom, inputs from left to right");
  canvas.style.aspectRatio = String(Math.min(3, Math.max(0.6, columns / rows)));
  const units = layer.shape[0], inputs = layer.shape.slice(1).reduce((a, b) => a * b, 1);
  const exact = rows === units && columns === inputs;
  const pixel = exact ? "a pixel is a weight, white is kept" : `a pixel is a block of about ${Math.round(units / rows)} × ${Math.round(inputs / columns)} weights; white: ${share(white)} of them kept`;
  const caption = make("figcaption", "", `${units.toLocaleString("en")} units from top to bottom, ${inputs.toLocaleString("en")} inputs from left to right; ${pixel}`);
  return make("figure", "", make("h3", "", "Mask"), canvas, caption);
}

/** Numbers of units or inputs by their connections beside those of random pruning, where these are known. */
function histogramFigure(title, label, what, { start, width, lines, expected, mean }) {
  const host = make("div", "plot");
  const null_ = expected ? [make("i", "key curve"), "random pruning (binomial) "] : [];
  const caption = make("figcaption", "", make("i", "key block"), `${what} `, ...null_, make("i", "key mark", "▲"), `mean ${shortly(mean)}`);
  const plot = new Plot(host);
  plot.show(`${title}: ${what} by their connections, mean ${mean}`, (p) => {
    const low = 0.3, high = 1.6 * Math.max(...lines, ...(expected ?? []), 1);
    const x = { low: start - width / 2, high: start + width * (lines.length - 0.5), label };
    const powers = [1, 10, 100, 1e3, 1e4, 1e5].filter((v) => v <= high);
    x.ticks = roundTicks(x.low, x.high, 5).filter(Number.isInteger);
    p.axes(x, { low, high, log: true, ticks: powers.length > 1 ? powers : logTicks(1, high).filter(Number.isInteger), format: (v) => (v >= 1e4 ? `${v / 1e3}k` : String(v)) });
    lines.forEach((count, k) => {
      if (!count) return;
      const left = p.x(start + width * k - width / 2), right = p.x(start + width * k + width / 2);
      draw(p.svg, "rect", { x: left, width: Math.max(1, right - left - 1), y: p.y(count), height: p.bottom - p.y(count), class: "bar" });
    });
    if (expected) p.line(expected.map((count, k) => [start + width * k, Math.max(count, 1e-9)]), "curve");
    const at = p.x(mean - (width - 1) / 2);
    draw(p.svg, "path", { d: `M${at} ${p.bottom - 5}l5 9h-10z`, class: "mark" });
  });
  return make("figure", "", make("h3", "", title), host, caption);
}

/** The masks of the most connected units as images, and the map of the pairs of pixels that they share. */
function unitFigures({ shape, numbers, fan_in, masks, same }) {
  const [channels, height, width] = shape, size = height * width;
  const packed = bytes(masks);
  const tiles = make("div", "tiles");
  numbers.forEach((unit, k) => {
    const image = new ImageData(width, height);
    image.data.fill(255);
    for (let channel = 0; channel < channels; channel++) {
      for (let pixel = 0; pixel < size; pixel++) {
        const value = 255 * isSet(packed, (k * channels + channel) * size + pixel);
        if (channels === 1) image.data.fill(value, 4 * pixel, 4 * pixel + 3);
        else image.data[4 * pixel + channel] = value;
      }
    }
    tiles.append(make("figure", "", canvasOf(image, "", `Mask of unit ${unit}`), make("figcaption", "", String(fan_in[k]))));
  });
  const colours = channels === 1 ? "kept weights white" : "one colour for each image channel, white where all three are kept";
  const parts = [make("div", "", make("h3", "", "Masks of the most connected units ", make("small", "", `${colours}; the number is the fan-in`)), tiles)];
  if (same) {
    const { rows, columns, max, values } = unpackCounts(same);
    const scaled = values.map((s) => s / Math.max(max, 1));
    scaled[(values.length - 1) / 2] = NaN;
    const map = canvasOf(coloured(scaled, rows, columns, MAGMA), "map", "Pairs of pixels by displacement; bright near the centre where masks are local");
    map.style.aspectRatio = `${columns} / ${rows}`;
    const caption = make("figcaption", "", "0", colourBar(MAGMA), `${max.toLocaleString("en")} pairs; d from −${(columns - 1) / 2} to ${(columns - 1) / 2} pixels across`);
    const title = make("h3", "", "S", make("sub", "", "sc"), "(d) ", make("small", "", "pairs of pixels of one channel kept by the same unit"));
    parts.push(make("figure", "", title, map, caption));
  }
  return make("div", "row units", ...parts);
}

function colourBar(stops) {
  const bar = make("canvas", "scale");
  paint(bar, coloured(Float64Array.from({ length: 64 }, (_, i) => i / 63), 1, 64, stops));
  return bar;
}

/** A picture of what the kind of a layer has: a histogram, bars, a map, or several maps. */
function kindFigure(picture) {
  if (picture.histogram) {
    const figure = histogramFigure(picture.title, picture.label, picture.what, picture.histogram);
    figure.querySelector("figcaption").append(`. ${picture.sentence}`);
    return figure;
  }
  const figure = make("figure", "", make("h3", "", picture.title));
  const caption = make("figcaption");
  if (picture.bars) figure.append(barsOf(picture));
  else if (picture.cells) figure.append(cellsOf(picture));
  else figure.append(mapsOf(picture, caption));
  if (picture.bars && picture.level != null) caption.append(make("i", "key dash"), `density of the layer, ${share(picture.level)}. `);
  caption.append(picture.sentence, picture.cells && picture.level != null && picture.columns > 4 ? " In percent." : "");
  figure.append(caption);
  return figure;
}

function barsOf({ title, bars, count, level, labels }) {
  const host = make("div", "plot");
  new Plot(host).show(title, (p) => {
    const known = bars.map((v) => v ?? 0), all = [...known, level ?? 0];
    const ticks = labels ? labels.map((_, k) => k + 1) : roundTicks(1, known.length, 6).filter(Number.isInteger);
    const x = { low: 0.5, high: known.length + 0.5, label: labels ? "" : known.length < count ? `number, means of blocks of ${count}` : "number", ticks, format: labels ? (k) => labels[k - 1] : String };
    p.axes(x, { low: Math.min(0, ...all), high: 1.08 * Math.max(1e-12, ...all), format: level == null ? shortly : (v) => share(v) });
    const half = Math.max(0.5, (0.4 * (p.right - p.left)) / known.length);
    known.forEach((v, k) => draw(p.svg, "rect", { x: p.x(k + 1) - half, width: 2 * half, y: Math.min(p.y(v), p.y(0)), height: Math.abs(p.y(0) - p.y(v)), class: "bar" }));
    if (level != null) p.level(level, "dash");
  });
  return host;
}

/** A map of few cells with their values in it; of shares coloured by their ratio to the layer's density. */
function cellsOf({ title, rows, columns, low, high, cells, level }) {
  const grid = make("div", "cells");
  grid.style.gridTemplateColumns = `repeat(${columns}, 1fr)`;
  grid.style.maxWidth = `${Math.min(18, 4.2 * columns)}rem`;
  grid.setAttribute("role", "img");
  grid.setAttribute("aria-label", `${title}, ${rows} rows of ${columns}: ${cells.map(shortly).join(", ")}`);
  const top = level ? Math.max(1.25, ...cells.filter((v) => v > 0).map((v) => Math.max(v / level, level / v))) : 0;
  for (const value of cells) {
    const place = level ? 0.5 + 0.5 * Math.max(-1, Math.log((value || 1e-9) / level) / Math.log(top)) : (value - low) / (high - low || 1);
    const [r, g, b] = colour(level ? BLUE_RED : MAGMA, place);
    const cell = make("span", 0.3 * r + 0.59 * g + 0.11 * b > 140 ? "" : "on-dark", level ? share(value ?? 0).replace(columns > 4 ? / %$/ : "", "") : shortly(value));
    cell.style.background = `rgb(${r} ${g} ${b})`;
    grid.append(cell);
  }
  return grid;
}

function mapsOf(picture, caption) {
  const data = bytes(picture.data), size = picture.rows * picture.columns;
  const maps = make("div", picture.maps > 1 ? "maps-of" : "");
  for (let k = 0; k < picture.maps; k++) {
    const values = Float64Array.from(data.subarray(k * size, (k + 1) * size), (v) => v / 255);
    const canvas = canvasOf(coloured(values, picture.rows, picture.columns, MAGMA), "map small-map", `${picture.title}, ${picture.low} to ${picture.high}`);
    canvas.style.aspectRatio = `${picture.columns} / ${picture.rows}`;
    maps.append(canvas);
  }
  caption.append(shortly(picture.low), colourBar(MAGMA), shortly(picture.high));
  if (picture.maps < picture.of) caption.append(`; the first ${picture.maps} of ${picture.of}`);
  if (picture.sentence) caption.append(". ");
  return maps;
}
