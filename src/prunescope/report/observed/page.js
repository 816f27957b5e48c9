// The page of a network's layers: what is seen by depth, the ranked table, and one layer at a time.

/** Everything that is shown of a layer. */
function detailOf(number) {
  const layer = DATA.layers[number];
  const size = layer.shape.reduce((a, b) => a * b, 1);
  const rank = RANKED.findIndex((row) => row.number === number) + 1;
  const place = DATA.layers.length > 1 ? `Layer ${number + 1} of ${DATA.layers.length}, rank ${rank}. ` : "";
  const parts = [make("p", "note", `${place}${layer.kind[0].toUpperCase()}${layer.kind.slice(1)} ${layer.shape.join("×")}, ${layer.kept.toLocaleString("en")} of ${size.toLocaleString("en")} weights kept: density ${share(layer.density)}${DATA.layers.length > 1 ? `, where Erdős–Rényi densities of as many weights in all have ${share(layer.erk)}` : ""}.${layer.patterns.length ? ` Everywhere in it holds: ${layer.patterns.join(", ")}.` : ""}`)];
  const told = toldOf(layer);
  if (told) parts.push(told);
  const figures = [];
  if (layer.picture) figures.push(maskFigure(layer));
  if (layer.fan_in) figures.push(histogramFigure("Fan-in", "kept weights of a unit", "units", layer.fan_in));
  if (layer.fan_out) figures.push(histogramFigure("Fan-out", "kept weights of an input", "inputs", layer.fan_out));
  if (figures.length) parts.push(make("div", "row three", ...figures));
  if (layer.pictures.length) parts.push(make("div", "row own", ...layer.pictures.map(kindFigure)));
  if (layer.units) parts.push(unitFigures(layer.units));
  parts.push(make("h3", "", "Every quantity, the farthest from its null first"), scalarTable(layer));
  return parts;
}

/** The farthest quantity of a layer in a sentence; null where none has a z. */
function toldOf(layer) {
  const [first] = scalarsOf(layer);
  if (!first || first[1][3] == null) return null;
  const [name, [value, mean, sd, z]] = first;
  const words = wordsOf(layer, name);
  const how = Math.abs(z) < 2 ? "as by chance" : z > 0 ? "more than by chance" : "less than by chance";
  const line = make("p", "told", `Farthest from its null is ${words.title}: ${shortly(value, sd)}, where the null has ${shortly(mean, sd)} ± ${shortly(sd)}. `, make("b", "", `z = ${signed(z)}`), `, ${how}.`);
  if (words.sentence) line.append(` ${words.sentence} `);
  if (words.null) line.append(`Null: ${words.null}`);
  return line;
}

/** The quantities of a layer by their distance from chance, those without a z last. */
function scalarsOf(layer) {
  const far = ([, [, , , z]]) => (z == null ? -1 : Math.abs(z));
  return Object.entries(layer.scalars).sort((a, b) => far(b) - far(a));
}

function scalarTable(layer) {
  const head = make("tr");
  for (const [text, name] of [["Quantity", ""], ["Value", "number"], ["Null", "number"], ["sd", "number of-sd"], ["z", "number"], ["", "strip"], ["from", "number of-from"]]) head.append(Object.assign(make("th", name, text), { scope: "col" }));
  const entries = scalarsOf(layer);
  const largest = Math.max(3, ...entries.map(([, [, , , z]]) => Math.abs(z ?? 0)));
  const body = make("tbody", "", ...entries.map(([name, [value, mean, sd, z, shuffles]]) => {
    const { title, sentence, null: against } = wordsOf(layer, name);
    const first = make("td", "", title);
    const said = [sentence, against && mean != null ? `Null: ${against}` : ""].filter(Boolean).join(" ");
    if (said) first.append(make("small", "", said));
    const from = shuffles == null ? "" : shuffles ? `${shuffles} shuffles` : "exact";
    return make("tr", "", first, make("td", "number", shortly(value, sd)), make("td", "number of-null", shortly(mean, sd)), make("td", "number of-null of-sd", shortly(sd)), make("td", `number z${near(z)}`, signed(z)), make("td", "strip", zBar(z, largest)), make("td", "number of-null of-from", from));
  }));
  const table = make("table", "scalars", make("thead", "", head), body);
  if (!layer.undefined.length) return table;
  const names = layer.undefined.map((name) => wordsOf(layer, name).title).join(", ");
  return make("div", "", table, make("p", "note", `Not defined for this layer: ${names}.`));
}

const RANKED = rankedRows("");
let ranking = null;
let shown = null;

/** Shows a layer in the dialog. Next and before go by the table's rows where the layer is among them. */
function openLayer(number) {
  shown = number;
  find("layer-title").textContent = DATA.layers[number].name;
  const dialog = find("layer");
  if (!dialog.open) dialog.showModal();
  find("detail").replaceChildren(...detailOf(number));
  find("sheet").scrollTop = dialog.scrollTop = 0;
  const place = order().indexOf(number);
  find("previous").disabled = place <= 0;
  find("next").disabled = place < 0 || place === order().length - 1;
  for (const row of document.querySelectorAll("#ranking tbody tr")) row.classList.toggle("seen", Number(row.dataset.number) === number);
  history.replaceState(null, "", `#layer-${number + 1}`);
}

const order = () => {
  const rows = ranking.rows.map((row) => row.number);
  return rows.includes(shown) ? rows : RANKED.map((row) => row.number);
};

function turn(step) {
  const next = order()[order().indexOf(shown) + step];
  if (next !== undefined) openLayer(next);
}

function closed() {
  history.replaceState(null, "", location.pathname + location.search);
  find("detail").replaceChildren();
  // The browser gives the focus back to the button that had it; a click beside one leaves it nowhere.
  const row = document.querySelector(`#ranking tr[data-number="${shown}"] .open`);
  if (row && document.activeElement === document.body) row.focus({ preventScroll: true });
}

if (DATA.layers.length > 1) {
  showDensities(openLayer);
  showHeat(openLayer);
  ranking = new Ranking(openLayer);
  find("close").addEventListener("click", () => find("layer").close());
  find("previous").addEventListener("click", () => turn(-1));
  find("next").addEventListener("click", () => turn(1));
  find("layer").addEventListener("close", closed);
  find("layer").addEventListener("click", (event) => event.target === find("layer") && find("layer").close());
  find("layer").addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") turn(-1);
    if (event.key === "ArrowRight") turn(1);
  });
  const named = /^#layer-(\d+)$/.exec(location.hash);
  if (named && DATA.layers[named[1] - 1]) openLayer(named[1] - 1);
} else {
  find("alone").append(make("h2", "", DATA.layers[0].name), ...detailOf(0));
}
