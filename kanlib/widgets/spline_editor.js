// The edge editor. spline.js and plot.js are joined in front of this file (see _assets.py).

const MAX_INTERVALS = 40;
const SAMPLES = 401; // points where the curve is drawn, and compared across a refinement
const STEP = 0.05; // of a coefficient, for one arrow key
const COUNTED = { 0: "constant", 1: "linear", 2: "quadratic", 3: "cubic" };

const round = (value, digits = 2) => Number(value.toFixed(digits));

const spread = ([low, high], count) =>
  Array.from({ length: count }, (_, i) =>
    i === count - 1 ? high : low + ((high - low) * i) / (count - 1),
  );

// Everything that depends on the knots alone, so that a drag costs only dot products.
function sampled(knots, degree) {
  const xs = spread(domain(knots, degree), SAMPLES);
  const bumps = knots.slice(0, knots.length - degree - 1).map((first, k) => {
    const own = spread([first, knots[k + degree + 1]], 12 * (degree + 1) + 1);
    return { xs: own, heights: own.map((x) => basis(knots, degree, x)[k]) };
  });
  const rows = xs.map((x) => basis(knots, degree, x));
  return { xs, rows, bumps, base: xs.map((x) => silu(x)) };
}

const curve = ({ rows, base }, { coefficients, base_weight }) =>
  rows.map((row, i) => base_weight * base[i] + dot(coefficients, row));

function memo(compute) {
  let key, value;
  return (knots, degree) => {
    const now = JSON.stringify([knots, degree]);
    if (now !== key) [key, value] = [now, compute(knots, degree)];
    return value;
  };
}

function render({ model, el }) {
  const NAMES = ["knots", "degree", "coefficients", "base_weight", "probe"];
  const state = () => Object.fromEntries(NAMES.map((name) => [name, model.get(name)]));
  const samplesOf = memo(sampled);
  const coarser = []; // what "Undo doubling" brings back
  let active = null; // index of the handle in use
  let note = ""; // what the last button did
  let moved = null; // how far that moved the curve

  function change(fields) {
    const next = { ...state(), ...fields };
    const value = edge(next, next.probe);
    model.set({ ...fields, value, slope: edge(next, next.probe, 1) });
    model.save_changes();
  }

  const root = html("div", { class: "kanlib-figure kanlib-spline-editor" }, el);
  root.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab: the keys are ours
  const parts = skeleton(root, model.get("alt"));
  const { plot } = parts;
  let width = 0;
  let frame = null; // scales of the last drawing

  function setCoefficient(k, value) {
    const coefficients = model.get("coefficients").slice();
    const [, , low, high] = model.get("window");
    coefficients[k] = clamp(round(value), low, high);
    [active, note, moved] = [k, "", null];
    change({ coefficients });
  }

  function setProbe(x) {
    const [left, right] = domain(model.get("knots"), model.get("degree"));
    change({ probe: clamp(round(x, 4), left, right) });
  }

  // Put another curve in place and measure how far it is from the one shown.
  function replace(fields, text) {
    const now = state();
    const next = { ...now, ...fields };
    const before = curve(samplesOf(now.knots, now.degree), now);
    const after = curve(samplesOf(next.knots, next.degree), next);
    moved = Math.max(...after.map((value, i) => Math.abs(value - before[i])));
    [active, note] = [null, text];
    change(fields);
  }

  function double() {
    const { knots, degree, coefficients } = state();
    const fine = refine(knots, degree, coefficients);
    coarser.push({ knots, coefficients, fine: JSON.stringify(fine.knots) });
    const counts = `G = ${intervals(knots, degree)} → ${intervals(fine.knots, degree)}`;
    const handles = `${coefficients.length} → ${fine.coefficients.length} handles`;
    replace(fine, `${counts}, ${handles}.`);
  }

  function undo() {
    const { knots, coefficients } = coarser.pop();
    const count = intervals(knots, model.get("degree"));
    replace({ knots, coefficients }, `The curve with G = ${count}, as it was.`);
  }

  function reset() {
    coarser.length = 0;
    replace(model.get("start"), "Back to the first curve.");
  }

  function makeHandle(k) {
    const handle = svg("g", { class: "handle", role: "slider", tabindex: "-1" });
    handle.setAttribute("aria-orientation", "vertical");
    svg("rect", { class: "hit" }, handle);
    svg("line", { class: "stem" }, handle);
    svg("circle", { class: "knob" }, handle);
    const value = () => model.get("coefficients")[k];
    const yOf = (event) =>
      frame.toValue(event.clientY - plot.getBoundingClientRect().top);
    let grip = 0; // between the pointer and the knob's center when pressed
    draggable(handle, {
      start(event) {
        handle.focus({ preventScroll: true });
        grip = value() - yOf(event);
        if (Math.abs(grip) > frame.reach) grip = 0;
        handle.classList.add("pressed");
      },
      move: (event) => setCoefficient(k, yOf(event) + grip),
      done: () => handle.classList.remove("pressed"),
    });
    const go = (steps) => () => setCoefficient(k, value() + steps * STEP);
    const neighbor = (step) => () => handle.parentNode.children[k + step]?.focus();
    keys(handle, {
      ArrowUp: go(1),
      ArrowDown: go(-1),
      PageUp: go(5),
      PageDown: go(-5),
      Home: () => setCoefficient(k, -Infinity),
      End: () => setCoefficient(k, Infinity),
      ArrowLeft: neighbor(-1),
      ArrowRight: neighbor(1),
    });
    handle.addEventListener("focus", () => {
      [active, note, moved] = [k, "", null];
      redraw();
    });
    handle.addEventListener("blur", () => {
      if (active === k) active = null;
      redraw();
    });
    return handle;
  }

  function draw() {
    const { knots, degree, coefficients, base_weight: weight, probe } = state();
    const count = knots.length - degree - 1;
    if (width === 0 || coefficients.length !== count) return;
    // All digits, for whoever reads the page by program.
    root.dataset.state = JSON.stringify(state());
    const centers = greville(knots, degree);
    const [left, right] = domain(knots, degree);
    const [x0, x1, y0, y1] = model.get("window");
    const height = clamp(Math.round(width * 0.52), 250, 380);
    const area = { left: 34, right: width - 12, top: 10, bottom: height - 34 };
    const low = Math.min(x0, centers[0]);
    const high = Math.max(x1, centers[count - 1]);
    const X = linear(low, high, area.left, area.right);
    const Y = linear(y0, y1, area.bottom, area.top);
    const pixels = (area.bottom - area.top) / (y1 - y0);
    frame = {
      toValue: linear(area.bottom, area.top, y0, y1),
      toX: linear(area.left, area.right, low, high),
      reach: 24 / pixels,
    };
    write(plot, { viewBox: `0 0 ${width} ${height}`, width, height });
    drawAxes(parts, { X, Y, area, ys: [y0, y1], ends: [left, right], knots });

    const samples = samplesOf(knots, degree);
    const values = curve(samples, state());
    const xs = samples.xs.map(X);
    write(parts.phi, { d: polyline(xs, values.map(Y)) });
    write(parts.base, {
      d: polyline(
        xs,
        samples.base.map((v) => Y(weight * v)),
      ),
    });
    const labelX = X(right) + 7;
    const [phiY, baseY] = apart(Y(values.at(-1)), Y(weight * silu(right)), 15, area);
    write(parts.phiLabel, { x: labelX, y: phiY + 4 });
    write(parts.baseLabel, { x: labelX, y: baseY + 4 });

    // The bumps stand where their handles stand, also outside the domain.
    const bumps = keep(parts.bumps, count, () => svg("path", { class: "bump" }));
    samples.bumps.forEach((bump, k) => {
      const ys = bump.heights.map((height) => Y(coefficients[k] * height));
      write(bumps[k], { d: polyline(bump.xs.map(X), ys) });
      bumps[k].classList.toggle("active", k === active);
    });

    const spacing = count > 1 ? (X(high) - X(low)) / (count - 1) : 44;
    const radius = clamp(spacing * 0.36, 3, 7.5);
    const handles = keep(parts.handles, count, makeHandle);
    const entry = clamp(active ?? Math.floor(count / 2), 0, count - 1);
    handles.forEach((handle, k) => {
      const [hit, stem, knob] = handle.children;
      const [x, y] = [X(centers[k]), Y(coefficients[k])];
      const reach = clamp(spacing, 7, 44);
      write(hit, { x: x - reach / 2, y: y - 22, width: reach, height: 44 });
      write(stem, { x1: x, x2: x, y1: Y(0), y2: y });
      write(knob, { cx: x, cy: y, r: k === active ? radius + 1.5 : radius });
      write(handle, {
        tabindex: k === entry ? 0 : -1,
        "aria-label": `coefficient ${k} of ${count}`,
        "aria-valuemin": y0,
        "aria-valuemax": y1,
        "aria-valuenow": round(coefficients[k], 4),
        "aria-valuetext": `c ${k} is ${decimal(coefficients[k])}`,
      });
      handle.classList.toggle("active", k === active);
    });

    drawProbe({ X, Y, area, probe, ends: [left, right] });
    const size = intervals(knots, degree);
    const kind = COUNTED[degree] ? ` (${COUNTED[degree]})` : "";
    write(parts.facts, {
      text: `G = ${size} intervals · degree ${degree}${kind} · ${count} coefficients`,
    });
    write(parts.weightText, { text: decimal(weight) });
    parts.weight.value = weight;
    parts.double.disabled = 2 * size > MAX_INTERVALS;
    parts.undo.disabled = coarser.at(-1)?.fine !== JSON.stringify(knots);
    drawNote(knots, degree, coefficients);
  }

  function drawProbe({ X, Y, area, probe, ends }) {
    const value = edge(state(), probe);
    const slope = edge(state(), probe, 1);
    const reach = (ends[1] - ends[0]) * 0.14;
    const [x, y] = [X(probe), Y(value)];
    write(parts.drop, { x1: x, x2: x, y1: y, y2: area.bottom });
    write(parts.dot, { cx: x, cy: y, r: 4.5 });
    write(parts.tangent, {
      x1: X(probe - reach),
      x2: X(probe + reach),
      y1: Y(value - slope * reach),
      y2: Y(value + slope * reach),
    });
    const bottom = area.bottom;
    write(parts.grip, { d: `M${x},${bottom} l8,12 h-16 z` });
    write(parts.gripHit, { x: x - 22, y: bottom - 8, width: 44, height: 32 });
    write(parts.probe, {
      "aria-valuemin": ends[0],
      "aria-valuemax": ends[1],
      "aria-valuenow": probe,
      "aria-valuetext": `x is ${decimal(probe)}, value ${decimal(value, 3)}, slope ${decimal(slope, 3)}`,
    });
    write(parts.x, { text: decimal(probe), "data-number": probe });
    write(parts.value, { text: decimal(value, 4), "data-number": value });
    write(parts.slope, { text: decimal(slope, 4), "data-number": slope });
  }

  function drawNote(knots, degree, coefficients) {
    if (active !== null && active < coefficients.length) {
      const [from, to] = [knots[active], knots[active + degree + 1]].map((t) =>
        decimal(t),
      );
      const value = decimal(coefficients[active]);
      const text = `c${subscript(active)} = ${value} acts only on [${from}, ${to}].`;
      // The handle itself says its value aloud.
      write(parts.status, { text, "aria-live": "off", "data-moved": "" });
      return;
    }
    const far = moved < 1e-3 ? scientific : (value) => decimal(value, 3);
    const most = moved === null ? "" : ` φ moved by at most ${far(moved)}.`;
    write(parts.status, {
      text: note + most,
      "aria-live": "polite",
      "data-moved": moved ?? "",
    });
  }

  draggable(parts.probe, {
    start: () => parts.probe.focus({ preventScroll: true }),
    move: (event) =>
      setProbe(frame.toX(event.clientX - plot.getBoundingClientRect().left)),
    done: () => {},
  });
  const ends = () => domain(model.get("knots"), model.get("degree"));
  const slide = (steps) => () => {
    const [left, right] = ends();
    setProbe(model.get("probe") + (steps * (right - left)) / 100);
  };
  keys(parts.probe, {
    ArrowRight: slide(1),
    ArrowUp: slide(1),
    ArrowLeft: slide(-1),
    ArrowDown: slide(-1),
    PageUp: slide(10),
    PageDown: slide(-10),
    Home: () => setProbe(ends()[0]),
    End: () => setProbe(ends()[1]),
  });
  parts.weight.addEventListener("input", () => {
    [note, moved] = ["", null];
    change({ base_weight: Number(parts.weight.value) });
  });
  parts.double.addEventListener("click", double);
  parts.undo.addEventListener("click", undo);
  parts.reset.addEventListener("click", reset);

  // Several traits may change in one message: draw once, when all of them are in.
  let waiting = false;
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => {
      waiting = false;
      draw();
    });
  };
  const watched = [...NAMES, "window"].map((name) => `change:${name}`);
  for (const event of watched) model.on(event, redraw);
  const stop = watchWidth(root, (now) => {
    width = now;
    draw();
  });
  return () => {
    stop();
    for (const event of watched) model.off(event, redraw);
  };
}

// Two labels at least `gap` apart and inside the area.
function apart(a, b, gap, area) {
  const middle = (a + b) / 2;
  if (Math.abs(a - b) < gap) {
    const sign = a <= b ? 1 : -1;
    [a, b] = [middle - (sign * gap) / 2, middle + (sign * gap) / 2];
  }
  return [a, b].map((y) => clamp(y, area.top + 6, area.bottom - 6));
}

// Text in which _k is an index.
function indexed(element, text) {
  text.split("_k").forEach((piece, i) => {
    if (i > 0) html("sub", { text: "k" }, element);
    element.append(piece);
  });
}

function drawAxes(parts, { X, Y, area, ys, ends, knots }) {
  const { left, right, top, bottom } = area;
  const frame = { x: left, y: top, width: right - left, height: bottom - top };
  write(parts.bumps, { ...frame, viewBox: Object.values(frame).join(" ") });
  const box = {
    x: X(ends[0]),
    y: top,
    width: X(ends[1]) - X(ends[0]),
    height: bottom - top,
  };
  write(parts.inside, box);
  write(parts.zero, { x1: left, x2: right, y1: Y(0), y2: Y(0) });
  write(parts.floor, { x1: left, x2: right, y1: bottom, y2: bottom });
  const inside = [...new Set(knots)].filter((t) => ends[0] <= t && t <= ends[1]);
  const lines = keep(parts.knots, inside.length, () => svg("line"));
  inside.forEach((t, i) =>
    write(lines[i], { x1: X(t), x2: X(t), y1: top, y2: bottom }),
  );
  parts.knots.classList.toggle("dense", inside.length > 12);
  const across = ticks(ends[0], ends[1], right - left < 420 ? 4 : 8);
  const xText = keep(parts.xTicks, across.length, () => svg("text"));
  across.forEach((t, i) =>
    write(xText[i], { x: X(t), y: bottom + 27, text: brief(t) }),
  );
  const up = ticks(ys[0], ys[1], 5);
  const yText = keep(parts.yTicks, up.length, () => svg("text"));
  up.forEach((t, i) => write(yText[i], { x: left - 6, y: Y(t) + 4, text: brief(t) }));
  write(parts.xName, { x: right, y: bottom + 27 });
}

// The elements, made once.
function skeleton(root, alt) {
  const parts = {};
  const head = html("div", { class: "head" }, root);
  indexed(
    html("span", { class: "formula" }, head),
    "φ(x) = w·silu(x) + Σ_k c_k B_k(x)",
  );
  parts.facts = html("span", { class: "facts" }, head);
  const legend = html("div", { class: "legend", "aria-hidden": "true" }, root);
  for (const [kind, text] of [
    ["phi", "the edge φ"],
    ["base", "base part w·silu"],
    ["bump", "bumps c_k B_k"],
    ["knob", "coefficients c_k"],
    ["tangent", "slope at x"],
  ]) {
    indexed(html("span", { class: `key ${kind}` }, legend), text);
  }

  const plot = svg("svg", { role: "group", "aria-label": alt }, root);
  parts.plot = plot;
  const still = svg("g", { "aria-hidden": "true" }, plot);
  parts.inside = svg("rect", { class: "inside" }, still);
  parts.knots = svg("g", { class: "knots" }, still);
  parts.zero = svg("line", { class: "axis" }, still);
  parts.floor = svg("line", { class: "axis" }, still);
  parts.xTicks = svg("g", { class: "ticks across" }, still);
  parts.yTicks = svg("g", { class: "ticks up" }, still);
  parts.xName = svg("text", { class: "name", text: "x" }, still);
  parts.bumps = svg("svg", { class: "bumps" }, still); // clips what leaves the plot
  parts.base = svg("path", { class: "base" }, still);
  parts.phi = svg("path", { class: "phi" }, still);
  parts.tangent = svg("line", { class: "tangent" }, still);
  parts.phiLabel = svg("text", { class: "label phi", text: "φ(x)" }, still);
  parts.baseLabel = svg("text", { class: "label base", text: "w·silu(x)" }, still);
  parts.handles = svg("g", { class: "handles" }, plot);
  parts.probe = svg("g", { class: "probe", role: "slider", tabindex: "0" }, plot);
  parts.probe.setAttribute("aria-label", "point x on the axis");
  parts.gripHit = svg("rect", { class: "hit" }, parts.probe);
  parts.drop = svg("line", { class: "drop" }, parts.probe);
  parts.dot = svg("circle", { class: "dot" }, parts.probe);
  parts.grip = svg("path", { class: "grip" }, parts.probe);

  const readout = html("div", { class: "readout" }, root);
  for (const [name, text] of [
    ["x", "x"],
    ["value", "φ(x)"],
    ["slope", "φ′(x)"],
  ]) {
    const pair = html("span", { class: `pair ${name}` }, readout);
    html("span", { class: "symbol", text: `${text} = ` }, pair);
    parts[name] = html("output", {}, pair);
  }
  const controls = html("div", { class: "controls" }, root);
  const label = html("label", { class: "weight" }, controls);
  html("span", { text: "base weight w" }, label);
  const range = { type: "range", min: -2, max: 2, step: 0.05 };
  parts.weight = html("input", range, label);
  parts.weightText = html("output", {}, label);
  const button = (name, text) => {
    parts[name] = html("button", { type: "button", class: name, text }, controls);
  };
  button("double", "Double the grid");
  button("undo", "Undo doubling");
  button("reset", "Reset");
  parts.status = html("div", { class: "status", role: "status" }, root);
  const hint = "Drag a handle or the triangle; or Tab to it and use the arrow keys.";
  html("div", { class: "hint", text: hint }, root);
  return parts;
}

export default { render };
