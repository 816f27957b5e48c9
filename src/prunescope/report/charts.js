// Line and bar charts as SVG, drawn at the size they have on the screen.

const SVG = "http://www.w3.org/2000/svg";

function draw(parent, tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

/** Round numbers within [low, high], at most `most` of them. */
function roundTicks(low, high, most) {
  const power = 10 ** Math.floor(Math.log10((high - low || 1) / most));
  const within = (step) => Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) + 1;
  const step = [1, 2, 5, 10, 20].map((m) => m * power).find((s) => within(s) <= most);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push(+(k * step).toPrecision(6));
  return ticks;
}

/** Ticks of a logarithmic axis: 1, 3 in each decade, or 1, 2, 5, or round numbers over a short range. */
function logTicks(low, high) {
  const multiples = high / low > 12 ? [1, 3] : [1, 2, 5];
  const ticks = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) {
    for (const m of multiples) {
      const value = +(m * 10 ** e).toPrecision(3);
      if (value >= low * 0.999 && value <= high * 1.001) ticks.push(value);
    }
  }
  return ticks.length < 3 ? roundTicks(low, high, 5) : ticks;
}

/** An axis {low, high, log, reverse} as a function from values to pixels between from and to. */
function scale(axis, from, to) {
  const f = axis.log ? Math.log : (v) => v;
  const [low, high] = axis.reverse ? [f(axis.high), f(axis.low)] : [f(axis.low), f(axis.high)];
  return (value) => from + ((f(value) - low) / (high - low || 1)) * (to - from);
}

class Plot {
  constructor(host) {
    this.host = typeof host === "string" ? document.getElementById(host) : host;
    this.content = null;
    new ResizeObserver(() => this.redraw()).observe(this.host);
  }

  /** Show content(plot), which calls axes() and then draws. */
  show(label, content) {
    this.label = label;
    this.content = content;
    this.redraw();
  }

  redraw() {
    if (!this.content || !this.host.clientHeight) return; // without a size it is drawn once it has one
    this.host.replaceChildren();
    this.width = this.host.clientWidth;
    this.height = this.host.clientHeight;
    this.svg = draw(this.host, "svg", { role: "img", "aria-label": this.label });
    this.content(this);
  }

  axes(x, y) {
    const left = 44, right = this.width - 8, top = 8, bottom = this.height - 38;
    Object.assign(this, { left, right, top, bottom });
    this.x = scale(x, left + 6, right - 6);
    this.y = scale(y, bottom, top);
    for (const tick of y.ticks ?? roundTicks(y.low, y.high, 5)) {
      const at = this.y(tick);
      draw(this.svg, "line", { x1: left, x2: right, y1: at, y2: at, class: "gridline" });
      draw(this.svg, "text", { x: left - 6, y: at + 4, "text-anchor": "end" }, (y.format ?? String)(tick));
    }
    draw(this.svg, "line", { x1: left, x2: right, y1: bottom, y2: bottom, class: "axis" });
    for (const tick of x.ticks ?? roundTicks(x.low, x.high, 6)) {
      const at = this.x(tick);
      draw(this.svg, "line", { x1: at, x2: at, y1: bottom, y2: bottom + 4, class: "axis" });
      draw(this.svg, "text", { x: at, y: bottom + 16, "text-anchor": "middle" }, (x.format ?? String)(tick));
    }
    draw(this.svg, "text", { x: (left + right) / 2, y: this.height - 4, "text-anchor": "middle" }, x.label);
  }

  /** A line through [x, y] points, leaving out those without a number. */
  line(points, name) {
    const known = points.filter(([, y]) => Number.isFinite(y));
    const path = known.map(([x, y], i) => `${i ? "L" : "M"}${this.x(x).toFixed(1)} ${this.clip(y).toFixed(1)}`);
    draw(this.svg, "path", { d: path.join(""), class: name });
  }

  dots(points, name, radius) {
    for (const [x, y] of points) {
      if (Number.isFinite(y)) draw(this.svg, "circle", { cx: this.x(x), cy: this.y(y), r: radius, class: name });
    }
  }

  /** A band between [x, low, high]. */
  band(points, name) {
    const known = points.filter(([, low, high]) => Number.isFinite(low) && Number.isFinite(high));
    const up = known.map(([x, low]) => `${this.x(x).toFixed(1)} ${this.clip(low).toFixed(1)}`);
    const down = known.map(([x, , high]) => `${this.x(x).toFixed(1)} ${this.clip(high).toFixed(1)}`).reverse();
    if (known.length) draw(this.svg, "path", { d: `M${[...up, ...down].join("L")}Z`, class: name });
  }

  level(y, name) {
    draw(this.svg, "line", { x1: this.left, x2: this.right, y1: this.y(y), y2: this.y(y), class: name });
  }

  upright(x, name) {
    draw(this.svg, "line", { x1: this.x(x), x2: this.x(x), y1: this.top, y2: this.bottom, class: name });
  }

  missing(text) {
    draw(this.svg, "text", { x: this.width / 2, y: this.height / 2, "text-anchor": "middle", class: "missing" }, text);
  }

  clip(y) {
    const at = this.y(y);
    return Number.isFinite(at) ? Math.min(Math.max(at, this.top), this.bottom) : this.bottom;
  }
}

/** [low, high] around all finite values, with a margin. */
function around(values, margin = 0.08) {
  const finite = values.filter(Number.isFinite);
  const low = Math.min(...finite), high = Math.max(...finite);
  const padding = (high - low || Math.abs(high) || 1) * margin;
  return { low: low - padding, high: high + padding };
}
