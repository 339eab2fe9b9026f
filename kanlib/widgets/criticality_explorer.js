// The criticality explorer: one pair (C_b, C_W), and what becomes of a signal with it.

import {
  decades,
  fixedPoint,
  flow,
  isOne,
  mapped,
  susceptibilities,
  verdict,
} from "./criticality.js";
import { accuracyIn, cobwebIn, dialIn, typeset } from "./criticality_drawing.js";
import { button, figure, slider, statusLine } from "./figure.js";
import { panelIn } from "./panel.js";
import { brief, clamp, decimal, html, scientific, write } from "./plot.js";

const POINTS = 60; // of the map's curve
// How the numbers of a slider stand for values.
const PLAIN = { to: (v) => v, from: (v) => v };
const BINARY = { to: Math.log2, from: (v) => Math.round(2 ** v) };

const short = (value) =>
  value !== 0 && (value < 0.005 || value >= 1e4)
    ? scientific(value)
    : decimal(value, 3);

// What becomes of a signal, in words.
const FATES = {
  critical: "Critical: norm and angle change",
  dies: "The norm dies",
  explodes: "The norm explodes",
  chaos: "Chaos: nearby inputs part",
  order: "Order: all inputs become one",
  edge: "The angle survives, the norm forgets where it started",
};

// The number of layers for a factor e says which depths can be trained.
function sentence({ word, scale }) {
  const count = scale < 10 ? decimal(scale, 1) : Math.round(scale);
  return scale < 1e4
    ? `${FATES[word]}, by a factor e every ${count} layers.`
    : `${FATES[word]} at most like a power of the depth.`;
}

function render(context) {
  const { model } = context;
  const critical = model.get("_critical"); // name -> its critical point, as numbers
  const accuracy = model.get("_accuracy");
  const ranges = model.get("_ranges"); // name -> [lowest, highest]
  const state = ["activation", ...Object.keys(ranges)];

  const base = figure(context, { kind: "criticality-explorer", state, draw });
  const row = html("div", { class: "panels" }, base.root);
  row.style.setProperty("--wide", accuracy ? 3 : 2);
  row.style.setProperty("--narrow", 1);
  const cobweb = cobwebIn(row);
  const strip = panelIn(
    row,
    {
      ...{ title: "Straight lines are exponentials", xlabel: "ℓ" },
      names: ["K of layer ℓ", "distance² of two nearby inputs", "their angle²"],
      log: true,
      ...{ points: 2, curves: 3, x: Float64Array.of(1, 2), y: new Float64Array(6) },
      ...{ xlim: [1, 2], ylim: [0.01, 100] },
    },
    0.8,
  );
  const map = accuracy && accuracyIn(row, accuracy);
  const say = statusLine(base.root);
  const readings = html("div", { class: "readings" }, base.root);
  const reading = () => html("span", { class: "reading" }, readings);
  const [star, parallel, perpendicular] = [reading(), reading(), reading()];

  const group = html("div", { class: "controls", role: "group" }, base.root);
  write(group, { "aria-label": "activation" });
  const options = Object.keys(critical).map((name) =>
    button(group, "option", name, () => base.assign({ activation: name })),
  );
  const jump = button(group, "critical", "critical", () => {
    const point = critical[model.get("activation")];
    const { weight_variance, bias_variance, fixed_point } = point;
    base.assign({ weight_variance, bias_variance, start: fixed_point ?? 1 });
  });

  const knobs = html("div", { class: "knobs" }, base.root);
  const knob = (trait, name, step, { to, from } = PLAIN) => {
    const [low, high] = ranges[trait];
    const range = { min: to(low), max: to(high), step };
    const { input, show } = slider(knobs, name, range, (value) =>
      base.assign({ [trait]: clamp(from(value), low, high) }),
    );
    typeset(input.previousElementSibling, name);
    return (value, text) => show(to(value), text);
  };
  const show = {
    weight_variance: knob("weight_variance", "C_W", 0.01),
    bias_variance: knob("bias_variance", "C_b", 0.005),
    start: knob("start", "K⁽¹⁾", "any", { ...BINARY, from: (v) => 2 ** v }),
    depth: knob("depth", "L", 1),
    width: knob("width", "n", 0.125, BINARY),
  };
  const dial = dialIn(base.root);

  function draw() {
    const now = base.read();
    const { activation, depth, width, start } = now;
    const [bias, weight] = [now.bias_variance, now.weight_variance];
    const point = critical[activation];
    const at = ["weight_variance", "bias_variance"].every(
      (name) => Math.abs(now[name] - point[name]) < 1e-9,
    );
    const tangent = at ? point.fixed_point : null;
    const { covariance, distance } = flow(activation, start, depth, bias, weight);
    const fixed = fixedPoint(activation, start, bias, weight, tangent);
    const ends = fixed < Infinity ? fixed : covariance.at(-1);
    const chi = susceptibilities(activation, ends, weight);
    const found = verdict(fixed, chi);

    drawMap(activation, bias, weight, covariance, fixed);
    drawStrip(covariance, distance);
    const measured = map ? map(now) : null;
    const best = point.aspect_ratio;
    drawDial(depth, width, best);
    drawReadings(fixed, depth, chi);
    drawControls(now, point);
    const none = ` ${activation} has no critical point: its two χ are never 1 at once.`;
    const numbers = {
      ...{ "data-fixed-point": fixed, "data-covariance": covariance.at(-1) },
      ...{ "data-distance": distance.at(-1), "data-parallel": chi.parallel },
      ...{ "data-perpendicular": chi.perpendicular, "data-verdict": found.word },
      ...{ "data-scale": found.scale, "data-ratio": depth / width },
      ...{ "data-best-ratio": best ?? "", "data-accuracy": measured ?? "" },
    };
    say(sentence(found) + (point.there ? "" : none), { spoken: false, ...numbers });
  }

  function drawMap(activation, bias, weight, covariance, fixed) {
    const visited = [...covariance, fixed];
    const [low, high] = decades(visited, [0.1, 10], [1e-8, 1e8]);
    const power = Math.log10(high / low) / POINTS;
    const xs = Array.from({ length: POINTS + 1 }, (_, i) => low * 10 ** (power * i));
    const ys = xs.map((x) => mapped(activation, x, bias, weight));
    const title = `K of a layer → K of the next, ${activation}`;
    cobweb({ title, xs, ys, covariance, fixed });
  }

  function drawStrip(covariance, distance) {
    const depth = covariance.length;
    const angle = distance.map((d, i) => (d * covariance[0]) / covariance[i]);
    const all = [...covariance, ...distance, ...angle];
    const x = Float64Array.from({ length: depth }, (_, i) => i + 1);
    const ylim = decades(all, [0.01, 100], [1e-12, 1e12]);
    const y = Float64Array.from(all);
    const xlim = [1, Math.max(depth, 4)]; // whole numbers at the axis
    Object.assign(strip.panel, { points: depth, x, y, xlim, ylim });
    strip.draw(0);
  }

  function drawDial(depth, width, best) {
    const ratio = depth / width;
    const mark =
      best === null
        ? "no best ratio"
        : `best near r* = ${decimal(best, 3)}, depth ${Math.round(best * width)}`;
    dial(ratio, best, `r = L/n = ${depth}/${width} = ${decimal(ratio, 3)} · ${mark}`);
  }

  function drawReadings(fixed, depth, chi) {
    const grows = fixed === Infinity;
    write(star, {
      text: grows ? "no K*: K grows on" : `K* = ${fixed && short(fixed)}`,
    });
    const where = grows ? `K⁽${raised(depth)}⁾` : "K*";
    for (const [element, name, value] of [
      [parallel, "χ∥", chi.parallel],
      [perpendicular, "χ⊥", chi.perpendicular],
    ]) {
      const one = isOne(value);
      const mark = one ? "✓ = 1" : value > 1 ? "> 1" : "< 1";
      const text = `${name} at ${where}: ${short(value)} ${mark}`;
      write(element, { text, "data-one": one });
    }
  }

  function drawControls(now, point) {
    options.forEach((option) =>
      write(option, { "aria-pressed": option.textContent === now.activation }),
    );
    jump.disabled = !point.there;
    const text = point.there
      ? `critical: C_W = ${brief(point.weight_variance)}, C_b = ${brief(point.bias_variance)}`
      : "no critical point";
    typeset(jump, text);
    show.weight_variance(now.weight_variance, decimal(now.weight_variance, 3));
    show.bias_variance(now.bias_variance, decimal(now.bias_variance, 3));
    show.start(now.start, short(now.start));
    show.depth(now.depth, `${now.depth}`);
    show.width(now.width, `${now.width}`);
  }

  return base.stop;
}

const raised = (number) => [...`${number}`].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).join("");

export default { render };
