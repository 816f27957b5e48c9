"use strict";
// What encoding.py wrote, as pixels.

function bytes(base64) {
  const text = atob(base64);
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function isSet(packed, index) {
  return (packed[index >> 3] >> (7 - (index & 7))) & 1;
}

/** Counts [rows, columns] of encoding.counts as floats. */
function unpackCounts(packed) {
  const data = bytes(packed.data);
  const values = new Float64Array(packed.rows * packed.columns);
  for (let i = 0; i < values.length; i++) {
    values[i] = ((data[2 * i] | (data[2 * i + 1] << 8)) * packed.max) / 65535;
  }
  return { rows: packed.rows, columns: packed.columns, max: packed.max, values };
}

/** The masks and weights of a level's atlas, unpacked when first asked for. */
class Atlas {
  constructor(shape, level) {
    this.shape = shape;
    this.nodes = level.nodes;
    this.weights = bytes(level.weights);
    this.packed = { trained: bytes(level.masks), shuffled: bytes(level.shuffled) };
    this.starts = [];
    let start = 0;
    for (const node of level.nodes) {
      this.starts.push(start);
      start += node.fan_in;
    }
  }

  /** RGB picture of node number k: its binary mask (kind "mask") or its kept weights ("weights"). */
  picture(k, which, kind) {
    const [channels, height, width] = this.shape;
    const size = height * width;
    const packed = this.packed[which];
    const { low, high } = this.nodes[k];
    const zero = kind === "mask" ? 0 : high > low ? Math.round((255 * (0 - low)) / (high - low)) : 128;
    const image = new ImageData(width, height);
    image.data.fill(255);
    let next = this.starts[k];
    for (let channel = 0; channel < channels; channel++) {
      for (let pixel = 0; pixel < size; pixel++) {
        const kept = isSet(packed, k * channels * size + channel * size + pixel);
        let value = zero;
        if (kept) value = kind === "mask" ? 255 : this.weights[next];
        next += kept;
        if (channels === 1) image.data.fill(value, 4 * pixel, 4 * pixel + 3);
        else image.data[4 * pixel + channel] = value;
      }
    }
    return image;
  }
}

function paint(canvas, image) {
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// magma (Smith & van der Walt, 2015) and ColorBrewer's RdBu, reversed, at equal steps.
const MAGMA = ["#000004", "#140e36", "#3b0f70", "#641a80", "#8c2981", "#b73779", "#de4968", "#f7705c", "#fe9f6d", "#fecf92", "#fcfdbf"];
const BLUE_RED = ["#053061", "#2166ac", "#4393c3", "#92c5de", "#d1e5f0", "#f7f7f7", "#fddbc7", "#f4a582", "#d6604d", "#b2182b", "#67001f"];

/** The colour [r, g, b] of a value in [0, 1]. */
function colour(stops, value) {
  const place = Math.min(Math.max(value, 0), 1) * (stops.length - 1);
  const before = Math.min(Math.floor(place), stops.length - 2);
  const part = place - before;
  const channel = (stop, c) => parseInt(stops[stop].slice(1 + 2 * c, 3 + 2 * c), 16);
  return [0, 1, 2].map((c) => Math.round(channel(before, c) * (1 - part) + channel(before + 1, c) * part));
}

/** A map [rows, columns] of values in [0, 1] as pixels; NaN is transparent. */
function coloured(values, rows, columns, stops) {
  const image = new ImageData(columns, rows);
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) continue;
    image.data.set(colour(stops, values[i]), 4 * i);
    image.data[4 * i + 3] = 255;
  }
  return image;
}
