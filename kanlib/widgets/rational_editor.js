// The rational editor: ten coefficients, the curve they make, and twelve layers of it.

import { button, figure, slider, statusLine } from "./figure.js";
import { panelIn } from "./panel.js";
import {
  brief,
  decimal,
  html,
  keep,
  scientific,
  subscript,
  svg,
  write,
} from "./plot.js";
import { largestGap, rational, secondMoment, variances } from "./rational.js";

const LAYERS = 12;
const RANGE = { min: -2, max: 2, step: 0.01 };

const short = (value) =>
  value !== 0 && (value < 0.005 || value >= 1e4) ? scientific(value) : decimal(value);

function render(context) {
  const { model } = context;
  const presets = model.get("_presets"); // [{ name, numerator, denominator, form, … }]
  const xs = model.get("_x");
  const scales = model.get("_scales"); // names of rules, and their gains or null
  const state = ["numerator", "denominator", "form", "target", "weights"];

  const base = figure(context, { kind: "rational-editor", state, draw });
  const row = html("div", { class: "panels" }, base.root);
  row.style.setProperty("--wide", 2);
  row.style.setProperty("--narrow", 1);
  const curve = panelIn(row, {
    ...{ title: "F(x) = P(x) / Q(x)", xlabel: "x", names: [], log: false },
    ...{ reference_name: "the activation it is to be", reference: xs },
    ...{ points: xs.length, curves: 1, x: Float64Array.from(xs) },
    ...{ y: new Float64Array(xs.length), xlim: [xs[0], xs.at(-1)], ylim: [-2, 4] },
  });
  const strip = panelIn(row, {
    ...{ title: "variance after each of 12 layers", xlabel: "layer", names: [] },
    ...{ reference_name: "1, as at the input", reference: [1, 1], log: true },
    ...{ points: 2, curves: 1, x: Float64Array.of(0.4, LAYERS + 0.6) },
    ...{ y: Float64Array.of(NaN, NaN), xlim: [0.4, LAYERS + 0.6], ylim: [1e-6, 1e3] },
  });
  const bars = svg("g", { class: "bars" }, strip.plot);
  const say = statusLine(base.root);

  const starts = choice("start", presets, (preset) => ({
    ...{ numerator: preset.numerator, denominator: preset.denominator },
    ...{ form: preset.form, target: preset.name },
  }));
  const forms = choice("form", [{ name: "A" }, { name: "B" }], ({ name }) => ({
    form: name,
  }));
  const rules = choice("weights", scales, ({ name }) => ({ weights: name }));
  const box = html("div", { class: "coefficients" }, base.root);
  const knobs = { numerator: knobsOf("numerator", "a", 0) };
  knobs.denominator = knobsOf("denominator", "b", 1);

  // A row of buttons of which one is pressed.
  function choice(label, options, fields) {
    const group = html("div", { class: "controls", role: "group" }, base.root);
    write(group, { "aria-label": label });
    html("span", { class: "choice", text: label }, group);
    return options.map((option) =>
      button(group, "option", option.name, () => base.assign(fields(option))),
    );
  }

  function knobsOf(trait, letter, first) {
    const column = html("div", { class: "column" }, box);
    return model.get(trait).map((_, i) =>
      slider(column, `${letter}${subscript(i + first)}`, RANGE, (value) => {
        const values = model.get(trait).slice();
        values[i] = value;
        base.assign({ [trait]: values });
      }),
    );
  }

  function press(buttons, options, name) {
    options.forEach((option, i) =>
      write(buttons[i], { "aria-pressed": option.name === name }),
    );
  }

  function draw() {
    const { numerator, denominator, form, target, weights } = base.read();
    const preset = presets.find(({ name }) => name === target);
    const { scale } = scales.find(({ name }) => name === weights);
    const factor = scale === "target" ? preset.gain : scale;
    const ys = xs.map((x) => rational(x, numerator, denominator, form));
    const found = variances(numerator, denominator, form, factor, LAYERS);
    curve.panel.y = Float64Array.from(ys);
    curve.panel.reference = Float64Array.from(preset.target);
    curve.draw(0);
    strip.draw(0);
    drawBars(found.slice(1));
    press(starts, presets, target);
    press(forms, [{ name: "A" }, { name: "B" }], form);
    press(rules, scales, weights);
    for (const [trait, values] of Object.entries({ numerator, denominator })) {
      values.forEach((value, i) => knobs[trait][i].show(value, decimal(value, 3)));
    }
    const gap = largestGap(xs, ys, preset.target);
    const alpha = 1 / secondMoment(numerator, denominator, form);
    const numbers = { gap, gain: alpha, variance: found.at(-1) };
    const data = Object.entries(numbers).map(([name, n]) => [`data-${name}`, n]);
    say(
      `largest error on [−3, 3]: ${short(gap)} · gain α = ${decimal(alpha, 3)} · ` +
        `variance after ${LAYERS} layers: ${short(found.at(-1))}`,
      { spoken: false, ...Object.fromEntries(data) },
    );
  }

  function drawBars(values) {
    const { X, Y, area } = strip.scales;
    const wide = (X(2) - X(1)) * 0.7;
    const made = keep(bars, values.length, () => svg("rect", { class: "bar" }));
    values.forEach((value, i) => {
      const top = Math.min(Math.max(Y(value), area.top), area.bottom - 1);
      const place = { x: X(i + 1) - wide / 2, y: top, width: wide };
      write(made[i], { ...place, height: area.bottom - top, "data-variance": value });
      (made[i].firstChild ?? svg("title", {}, made[i])).textContent = brief(value);
    });
  }

  return base.stop;
}

export default { render };
