// Every layer by depth: its density beside two layouts, and how far its quantities lie from chance.

const KINDS = [...new Set(DATA.layers.map((layer) => layer.kind))];
const kindClass = (kind) => `kind-${KINDS.indexOf(kind) % 6}`;
const MOST_ROWS = 14;

function showDensities(open) {
  const { layers, overall } = DATA;
  const plot = new Plot(find("densities"));
  plot.show("Density of each layer by depth, beside Erdős–Rényi and uniform densities", (p) => {
    const all = layers.flatMap(({ density, erk }) => [density, erk]).concat(overall).map((v) => 100 * v);
    const low = Math.min(...all), high = Math.max(...all);
    const y = high / low > 4 ? { low: low / 1.3, high: high * 1.3, log: true, ticks: logTicks(low / 1.3, high * 1.3) } : { ...around([...all, 0], 0.06), low: 0 };
    const x = { low: 0.5, high: layers.length + 0.5, label: "layer", ticks: roundTicks(1, layers.length, 7).filter((v) => Number.isInteger(v) && v >= 1) };
    p.axes(x, { ...y, format: (v) => `${v} %` });
    p.level(100 * overall, "even");
    p.line(layers.map(({ erk }, k) => [k + 1, 100 * erk]), "erk");
    const radius = layers.length > 120 ? 2 : layers.length > 40 ? 2.6 : 3.6;
    layers.forEach(({ density, kind, name }, k) => {
      const dot = draw(p.svg, "circle", { cx: p.x(k + 1), cy: p.y(100 * density), r: radius, class: `dot ${kindClass(kind)}` });
      draw(dot, "title", {}, `${k + 1}: ${name}, ${kind}, ${share(density)}`);
    });
    p.svg.addEventListener("click", (event) => {
      const at = event.clientX - p.svg.getBoundingClientRect().left;
      open(Math.min(layers.length, Math.max(1, Math.round(0.5 + ((at - p.x(0.5)) / (p.x(layers.length + 0.5) - p.x(0.5))) * layers.length))) - 1);
    });
  });
  const keys = KINDS.slice(0, 6).flatMap((kind) => [make("i", `key kind ${kindClass(kind)}`), `${kind} `]);
  find("densities-caption").append(...keys, make("i", "key curve"), "Erdős–Rényi ", make("i", "key even"), `uniform, ${share(overall)}; both keep as many weights in all`);
}

/** A map of z, layers from left to right and quantities from top to bottom. */
function showHeat(open) {
  const { layers } = DATA;
  const names = DATA.quantities.slice(0, MOST_ROWS);
  const host = find("heat"), caption = find("heat-caption");
  if (!names.length) {
    host.append("No quantity has a null with a spread.");
    return;
  }
  const z = names.map((name) => layers.map((layer) => layer.scalars[name]?.[3] ?? NaN));
  const largest = Math.max(3, ...z.flat().filter(Number.isFinite).map(Math.abs));
  const values = Float64Array.from(z.flat(), (v) => 0.5 + 0.5 * (Math.asinh(v) / Math.asinh(largest)));
  const labels = make("ol", "", ...names.map((name) => Object.assign(make("li", "", DATA.words[name].title), { title: DATA.words[name].sentence })));
  const canvas = canvasOf(coloured(values, names.length, layers.length, BLUE_RED), "", `z of ${names.length} quantities in ${layers.length} layers, from ${signed(-largest)} (blue) to ${signed(largest)} (red)`);
  canvas.style.height = `${1.15 * names.length}rem`;
  host.append(labels, canvas, make("span"), make("span", "ends", make("span", "", "layer 1"), make("span", "", String(layers.length))));
  const now = make("span", "heat-now");
  const rest = DATA.quantities.length - names.length;
  const says = `${rest ? `; ${rest} more quantities lie nearer` : ""}. `;
  caption.append(`z ${signed(-largest)} `, colourBar(BLUE_RED), `${signed(largest)}, by its inverse hyperbolic sine; grey: has none${says}`, now);
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const within = (at, size, count) => Math.min(count - 1, Math.max(0, Math.floor((at / size) * count)));
    return [within(event.clientY - box.top, box.height, names.length), within(event.clientX - box.left, box.width, layers.length)];
  };
  canvas.addEventListener("mousemove", (event) => {
    const [row, column] = place(event);
    now.textContent = `${layers[column].name}: ${wordsOf(layers[column], names[row]).title}, z = ${signed(layers[column].scalars[names[row]]?.[3])}`;
  });
  canvas.addEventListener("mouseleave", () => (now.textContent = ""));
  canvas.addEventListener("click", (event) => open(place(event)[1]));
}
