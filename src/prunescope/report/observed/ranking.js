// The table of layers: sorted by any column, filtered by name and kind, ranked by all quantities or by one.

/** What stands in a layer's row: the quantity that lies farthest from its null, or the one that was chosen. */
function rowOf(number, chosen) {
  const layer = DATA.layers[number];
  const known = Object.entries(layer.scalars).filter(([name, [, , , z]]) => (chosen ? name === chosen : z != null));
  const far = (z) => (z == null ? -1 : Math.abs(z));
  const [quantity, [value, mean, sd, z]] = known.reduce((best, entry) => (far(entry[1][3]) > far(best[1][3]) ? entry : best), known[0] ?? ["", [null, null, null, null]]);
  const size = layer.shape.reduce((a, b) => a * b, 1);
  const title = quantity ? wordsOf(layer, quantity).title : "";
  return { number, title, name: layer.name, kind: layer.kind, size, density: layer.density, quantity, value, null: mean, sd, z };
}

/** The rows in order of their distance from chance, with their rank. */
function rankedRows(chosen) {
  const rows = DATA.layers.map((_, number) => rowOf(number, chosen));
  const far = ({ z }) => (z == null ? -1 : Math.abs(z));
  rows.sort((a, b) => far(b) - far(a) || a.number - b.number);
  rows.forEach((row, k) => (row.rank = k + 1));
  return rows;
}

const TEXTS = new Set(["name", "kind", "quantity"]);

/** Compares two rows by a column; what is missing comes last. */
function byColumn(key, descending) {
  const value = (row) => (key === "z" ? (row.z == null ? null : Math.abs(row.z)) : key === "quantity" ? row.title : row[key]);
  const collate = new Intl.Collator("en", { numeric: true }).compare;
  return (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x == null || y == null) return (x == null) - (y == null);
    const order = TEXTS.has(key) ? collate(x, y) : x - y;
    return (descending ? -order : order) || a.rank - b.rank;
  };
}

/** A bar from zero to z, by its inverse hyperbolic sine. */
function zBar(z, largest) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 10");
  svg.setAttribute("preserveAspectRatio", "none");
  if (z != null) {
    const length = (50 * Math.asinh(Math.abs(z))) / Math.asinh(Math.max(3, largest));
    draw(svg, "rect", { x: z < 0 ? 50 - length : 50, y: 1, width: length, height: 8, class: z < 0 ? "down" : "up" });
  }
  draw(svg, "line", { x1: 50, x2: 50, y1: 0, y2: 10, "vector-effect": "non-scaling-stroke" });
  return svg;
}

/** The class of a z: so near to its null is a value by chance, so far it is not. */
const near = (z) => (z == null || Math.abs(z) < 2 ? " near" : Math.abs(z) >= 5 ? " far" : "");

class Ranking {
  constructor(open) {
    this.open = open;
    this.key = "rank";
    this.descending = false;
    this.body = document.querySelector("#ranking tbody");
    for (const id of ["name", "kind", "quantity"]) find(id).addEventListener("input", () => this.show());
    for (const button of document.querySelectorAll("#ranking th button")) button.addEventListener("click", () => this.sort(button.dataset.key));
    this.show();
  }

  /** Sorts by a column; once more turns the order. Numbers begin with the largest, ranks with the first. */
  sort(key) {
    const first = !TEXTS.has(key) && key !== "rank";
    this.descending = key === this.key ? !this.descending : first;
    this.key = key;
    this.show();
  }

  show() {
    const text = find("name").value.trim().toLowerCase(), kind = find("kind").value;
    this.ranked = rankedRows(find("quantity").value);
    this.rows = this.ranked.filter((row) => row.name.toLowerCase().includes(text) && (!kind || row.kind === kind)).sort(byColumn(this.key, this.descending));
    const largest = Math.max(3, ...this.ranked.map(({ z }) => Math.abs(z ?? 0)));
    this.body.replaceChildren(...this.rows.map((row) => this.row(row, largest)));
    for (const head of document.querySelectorAll("#ranking th")) {
      const on = head.querySelector("button")?.dataset.key === this.key;
      if (on) head.setAttribute("aria-sort", this.descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    find("count").textContent = this.rows.length === this.ranked.length ? `${this.ranked.length} layers` : `${this.rows.length} of ${this.ranked.length} layers`;
    find("none").hidden = this.rows.length > 0;
    find("ranking").hidden = this.rows.length === 0;
  }

  row(row, largest) {
    const layer = DATA.layers[row.number], shape = layer.shape.join("×");
    const button = Object.assign(make("button", "open", row.name), { type: "button" });
    const cells = [
      make("td", "number near", String(row.rank)),
      make("td", "", button, make("small", "", `${row.kind} ${shape}`), make("small", "", row.title)),
      make("td", "wide", row.kind),
      make("td", "wide number", shape),
      make("td", "number", share(row.density)),
      make("td", "", row.title, ...layer.patterns.map((pattern) => make("small", "pattern", pattern))),
      make("td", "number", shortly(row.value, row.sd)),
      make("td", "number of-null", shortly(row.null, row.sd)),
      make("td", `number z${near(row.z)}`, signed(row.z)),
      make("td", "strip", zBar(row.z, largest)),
    ];
    const line = make("tr", "", ...cells);
    line.dataset.number = row.number;
    line.addEventListener("click", () => this.open(row.number));
    return line;
  }
}
