// Inputs that are series, of shape (C, 1, L): time along x, a row for each channel.

const isSeries = (shape) => shape[1] === 1;
const CHANNELS = ["#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"];
const channelColour = (channel, channels) => (channels === 1 ? "#222222" : CHANNELS[channel % CHANNELS.length]);
const SERIES_WIDTH = 640; // pixels of a canvas, or more where a series has more samples

/** The mask (0 and 1) or the kept weights of node number k as one array, channel by channel. */
function seriesValues(atlas, k, which, kind) {
  const size = atlas.shape[0] * atlas.shape[2];
  const { low, high } = atlas.nodes[k];
  const values = new Float64Array(size);
  let next = atlas.starts[k];
  for (let i = 0; i < size; i++) {
    if (!isSet(atlas.packed[which], k * size + i)) continue;
    values[i] = kind === "mask" ? 1 : low + (atlas.weights[next] / 255) * (high - low);
    next += 1;
  }
  return values;
}

/** Draws values [C·L] on a canvas: bars of a mask, areas of weights from zero, or curves between 0 and 1. */
function paintSeries(canvas, shape, values, kind) {
  const [channels, , length] = shape;
  const step = Math.max(1, Math.ceil(SERIES_WIDTH / length));
  const row = Math.round((length * step * Math.min(1.6, 0.4 + 0.18 * (channels - 1))) / channels);
  [canvas.width, canvas.height] = [length * step, row * channels];
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  for (let channel = 0; channel < channels; channel++) {
    const top = channel * row, zero = top + row / 2, first = channel * length;
    const colour = channelColour(channel, channels);
    pen.fillStyle = "#c9c9c9";
    if (channel) pen.fillRect(0, top, canvas.width, 1);
    if (kind === "weights") pen.fillRect(0, zero, canvas.width, 1);
    if (kind === "values") {
      pen.strokeStyle = colour;
      pen.lineWidth = 3;
      pen.beginPath();
      for (let t = 0; t < length; t++) pen.lineTo((t + 0.5) * step, top + row * (0.92 - 0.84 * values[first + t]));
      pen.stroke();
      continue;
    }
    for (let t = 0; t < length; t++) {
      const value = values[first + t];
      if (!value) continue;
      const height = kind === "mask" ? 0 : (0.46 * row * Math.abs(value)) / largest;
      pen.fillStyle = kind === "mask" ? colour : value > 0 ? "#D55E00" : "#0072B2";
      if (kind === "mask") pen.fillRect(t * step, top + 0.12 * row, step, 0.76 * row);
      else pen.fillRect(t * step, value > 0 ? zero - height : zero, step, height);
    }
  }
}

/** Draws the mask or the weights of node number k of an atlas, as pixels or over time. */
function paintNode(canvas, atlas, k, which, kind) {
  const series = isSeries(atlas.shape);
  canvas.classList.toggle("series", series);
  if (series) paintSeries(canvas, atlas.shape, seriesValues(atlas, k, which, kind), kind);
  else paint(canvas, atlas.picture(k, which, kind));
}

/** The values of a picture of the sheet, whose tile starts at (x, y), as curves on a canvas. */
function paintStoredSeries(canvas, sheet, x, y, shape) {
  const [channels, , length] = shape;
  const tile = document.createElement("canvas");
  [tile.width, tile.height] = [length, channels];
  const pen = tile.getContext("2d");
  pen.drawImage(sheet, x, y, length, channels, 0, 0, length, channels);
  const { data } = pen.getImageData(0, 0, length, channels);
  canvas.classList.add("series");
  paintSeries(canvas, shape, Float64Array.from({ length: channels * length }, (_, i) => data[4 * i] / 255), "values");
}

/** S(d) over the lag beside what chance gives, or g(d). */
function showLags(plot, id, shape, level, relative) {
  const different = id === "different";
  const { columns, values } = unpackCounts(level[id]);
  const expected = expectedPairs(shape, level.pairs, different);
  const reach = (columns - 1) / 2;
  const lags = Array.from(values, (_, i) => i - reach);
  const known = (lag) => different || lag !== 0;
  const points = lags.map((lag, i) => {
    if (!known(lag) || (relative && expected[i] < FEWEST_PAIRS)) return [lag, NaN];
    return [lag, relative ? values[i] / expected[i] : values[i]];
  });
  const chance = lags.map((lag, i) => [lag, known(lag) ? expected[i] : NaN]);
  plot.show(`${relative ? "Pairs relative to chance" : "Pairs"} against the lag in samples`, (p) => {
    const all = [...points, ...(relative ? [] : chance)].map(([, y]) => y).filter(Number.isFinite);
    const x = { low: -reach, high: reach, label: "lag d (samples)", format: (v) => String(v).replace("-", "−") };
    p.axes(x, relative ? around([...all, 0.8, 1.2]) : { low: 0, high: 1.05 * Math.max(1, ...all) });
    if (relative) p.level(1, "dash");
    else p.line(chance, "dash");
    p.line(points, "line");
  });
  const key = (name) => Object.assign(document.createElement("i"), { className: `key ${name}` });
  const words = relative ? ["pairs over chance", "chance"] : ["counted pairs", "by chance"];
  document.getElementById(`${id}-caption`).replaceChildren(key("line"), `${words[0]} `, key("dash"), words[1]);
}
