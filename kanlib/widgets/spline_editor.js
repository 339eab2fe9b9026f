// The edge editor: one KAN edge whose coefficients the reader drags.

import { button, draggable, figure, keys, slider, statusLine } from "./figure.js";
import { clamp, decimal, html, scientific, subscript, write } from "./plot.js";
import {
  curveOf,
  drawAxes,
  drawCurves,
  drawHandles,
  drawProbe,
  geometry,
  memo,
  sampled,
} from "./spline_drawing.js";
import { handle, plotIn, readoutIn } from "./spline_parts.js";
import { domain, edge, intervals, refine } from "./spline.js";

// Who drags sees what is dragged; the frame is for the keyboard.
const QUIETLY = { preventScroll: true, focusVisible: false };
const MAX_INTERVALS = 40;
const STEP = 0.05; // of a coefficient, for one arrow key
const COUNTED = { 0: "constant", 1: "linear", 2: "quadratic", 3: "cubic" };
const TRAITS = ["knots", "degree", "coefficients", "base_weight", "probe"];

const round = (value, digits = 2) => Number(value.toFixed(digits));

function render(context) {
  const { model } = context;
  const samplesOf = memo(sampled);
  const coarser = []; // what "Undo doubling" brings back
  let active = null; // index of the handle in use
  let note = ""; // what the last button did
  let moved = null; // how far that moved the curve
  let place = null; // scales of the last drawing

  const watch = [...TRAITS, "window"];
  const base = figure(context, { kind: "spline-editor", state: TRAITS, watch, draw });
  const { root, redraw, read: state } = base;
  const parts = plotIn(root);
  const { plot } = parts;
  const numbers = readoutIn(root);
  const controls = html("div", { class: "controls" }, root);
  const range = { min: -2, max: 2, step: 0.05 };
  const weight = slider(controls, "base weight w", range, (value) => {
    [note, moved] = ["", null];
    change({ base_weight: value });
  });
  const doubling = button(controls, "double", "Double the grid", double);
  const undoing = button(controls, "undo", "Undo doubling", undo);
  button(controls, "reset", "Reset", reset);
  const say = statusLine(root);
  const hint = "Drag a handle or the triangle; or Tab to it and use the arrow keys.";
  html("div", { class: "hint", text: hint }, root);

  function change(fields) {
    const next = { ...state(), ...fields };
    const value = edge(next, next.probe);
    base.assign({ ...fields, value, slope: edge(next, next.probe, 1) });
  }

  function setCoefficient(k, value) {
    const coefficients = model.get("coefficients").slice();
    const [, , low, high] = model.get("window");
    coefficients[k] = clamp(round(value), low, high);
    [active, note, moved] = [k, "", null];
    change({ coefficients });
  }

  const ends = () => domain(model.get("knots"), model.get("degree"));
  const setProbe = (x) => change({ probe: clamp(round(x, 4), ...ends()) });

  // Put another curve in place and measure how far it is from the one shown.
  function replace(fields, text) {
    const now = state();
    const next = { ...now, ...fields };
    const before = curveOf(samplesOf(now.knots, now.degree), now);
    const after = curveOf(samplesOf(next.knots, next.degree), next);
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

  function handleOf(k) {
    const made = handle();
    const value = () => model.get("coefficients")[k];
    const yOf = (event) =>
      place.toValue(event.clientY - plot.getBoundingClientRect().top);
    let grip = 0; // between the pointer and the knob's center when pressed
    draggable(made, {
      start(event) {
        made.focus(QUIETLY);
        grip = value() - yOf(event);
        if (Math.abs(grip) > place.reach) grip = 0;
      },
      move: (event) => setCoefficient(k, yOf(event) + grip),
    });
    const go = (steps) => () => setCoefficient(k, value() + steps * STEP);
    const neighbor = (step) => () => made.parentNode.children[k + step]?.focus();
    keys(made, {
      ArrowUp: go(1),
      ArrowDown: go(-1),
      PageUp: go(5),
      PageDown: go(-5),
      Home: () => setCoefficient(k, -Infinity),
      End: () => setCoefficient(k, Infinity),
      ArrowLeft: neighbor(-1),
      ArrowRight: neighbor(1),
    });
    made.addEventListener("focus", () => {
      [active, note, moved] = [k, "", null];
      // At once: a Tab before the next drawing must leave the handles.
      for (const other of parts.handles.children) other.setAttribute("tabindex", -1);
      made.setAttribute("tabindex", 0);
      redraw();
    });
    made.addEventListener("blur", () => {
      if (active === k) active = null;
      redraw();
    });
    return made;
  }

  draggable(parts.probe, {
    start: () => parts.probe.focus(QUIETLY),
    move: (event) =>
      setProbe(place.toX(event.clientX - plot.getBoundingClientRect().left)),
  });
  const slide = (hundredths) => () => {
    const [left, right] = ends();
    setProbe(model.get("probe") + (hundredths * (right - left)) / 100);
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

  function draw(width) {
    const now = state();
    const { knots, degree, coefficients } = now;
    const count = knots.length - degree - 1;
    if (coefficients.length !== count) return; // only half of an assignment is here
    place = geometry(now, model.get("window"), width);
    const samples = samplesOf(knots, degree);
    drawAxes(parts, place, knots);
    drawCurves(parts, place, now, samples, active);
    drawHandles(parts, place, coefficients, active, handleOf);
    drawProbe(parts, place, now, numbers);
    const size = intervals(knots, degree);
    const kind = COUNTED[degree] ? ` (${COUNTED[degree]})` : "";
    write(parts.facts, {
      text: `G = ${size} intervals · degree ${degree}${kind} · ${count} coefficients`,
    });
    weight.show(now.base_weight, decimal(now.base_weight));
    doubling.disabled = 2 * size > MAX_INTERVALS;
    undoing.disabled = coarser.at(-1)?.fine !== JSON.stringify(knots);
    drawNote(now);
  }

  function drawNote({ knots, degree, coefficients }) {
    if (active !== null && active < coefficients.length) {
      const [from, to] = [knots[active], knots[active + degree + 1]].map((t) =>
        decimal(t),
      );
      const value = decimal(coefficients[active]);
      const text = `c${subscript(active)} = ${value} acts only on [${from}, ${to}].`;
      say(text, { spoken: false, "data-moved": "" });
      return;
    }
    const far = moved < 1e-3 ? scientific : (value) => decimal(value, 3);
    const most = moved === null ? "" : ` φ moved by at most ${far(moved)}.`;
    say(note + most, { "data-moved": moved ?? "" });
  }

  return base.stop;
}

export default { render };
