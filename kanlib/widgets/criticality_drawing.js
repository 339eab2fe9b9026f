// Drawings of the criticality explorer that are no panels of curves: the map of the
// covariance between logarithmic axes, the trained accuracy, and the dial of L/n.

import { place } from "./criticality.js";
import {
  brief,
  clamp,
  decimal,
  html,
  keep,
  logarithmic,
  logTicks,
  polyline,
  svg,
  write,
} from "./plot.js";

// A cell with a title, a legend and room to draw.
function drawing(parent, kind, title, legend = []) {
  const cell = html("div", { class: `panel ${kind}` }, parent);
  const head = html("div", { class: "panel-head" }, cell);
  const name = html("div", { class: "panel-title", text: title }, head);
  const list = html("div", { class: "panel-legend" }, head);
  for (const [text, look] of legend) {
    const key = html("span", { class: "key" }, list);
    const sample = svg("svg", { width: 22, height: 10, "aria-hidden": "true" }, key);
    svg("path", { class: look, d: "M0,5L22,5" }, sample);
    key.append(text);
  }
  const plot = svg("svg", { class: "plot", "aria-hidden": "true" }, cell);
  return { cell, list, name, plot };
}

// Make a drawing as wide as its cell, and say how large it is.
function sized(cell, plot, ratio) {
  const width = Math.floor(cell.getBoundingClientRect().width);
  const height = clamp(Math.round(width * ratio), DIAL, 220);
  write(plot, { viewBox: `0 0 ${width} ${height}`, width, height });
  return [width, height];
}
const DIAL = 58; // pixels, the height of the dial

const ticksOf = (plot) => ({
  across: svg("g", { class: "ticks across" }, plot),
  up: svg("g", { class: "ticks up" }, plot),
});

function writeTicks(group, values, attributes) {
  const texts = keep(group, values.length, () => svg("text"));
  values.forEach((value, i) => write(texts[i], attributes(value, i)));
}

// The map K -> C_b + C_W <σ²>, the diagonal, the steps of a flow, and its fixed point.
export function cobwebIn(parent) {
  const { cell, name, plot } = drawing(parent, "cobweb", "", [
    ["K unchanged", "reference"],
    ["next layer", "curve kind-0"],
    ["the steps taken", "steps"],
  ]);
  const ticks = ticksOf(plot);
  const label = svg("text", { class: "name", text: "K" }, plot);
  const inside = svg("svg", {}, plot);
  const diagonal = svg("path", { class: "reference" }, inside);
  const line = svg("line", { class: "cursor" }, inside);
  const steps = svg("path", { class: "steps" }, inside);
  const curve = svg("path", { class: "curve kind-0" }, inside);
  const star = svg("circle", { class: "dot", r: 4.5 }, plot);
  const floor = svg("path", { class: "axis" }, plot);

  return ({ title, xs, ys, covariance, fixed }) => {
    write(name, { text: title });
    const [width, height] = sized(cell, plot, 0.8);
    const [low, high] = [xs[0], xs.at(-1)];
    const values = logTicks(low, high, 4);
    const wide = Math.max(...values.map((value) => brief(value).length));
    const area = { left: 12 + 6.6 * wide, right: width - 8, top: 8 };
    area.bottom = height - 20;
    const X = logarithmic(low, high, area.left, area.right);
    const Y = logarithmic(low, high, area.bottom, area.top);
    const box = { x: area.left, y: area.top, width: area.right - area.left };
    box.height = area.bottom - area.top;
    write(inside, { ...box, viewBox: Object.values(box).join(" ") });
    write(floor, { d: `M${area.left},${area.top}V${area.bottom}H${area.right}` });
    writeTicks(ticks.across, values, (value) => ({
      ...{ x: X(value), y: area.bottom + 15 },
      text: X(value) > area.right - 20 ? "" : brief(value),
    }));
    writeTicks(ticks.up, values, (value) => ({
      ...{ x: area.left - 7, y: Y(value) + 4, text: brief(value) },
    }));
    write(label, { x: area.right, y: area.bottom + 15 });
    write(diagonal, { d: polyline([low, high].map(X), [low, high].map(Y)) });
    write(curve, { d: polyline(xs.map(X), ys.map(Y)) });
    const twice = covariance.flatMap((k) => [k, k]);
    write(steps, { d: polyline(twice.slice(0, -1).map(X), twice.slice(1).map(Y)) });
    const visibility = low <= fixed && fixed <= high ? "visible" : "hidden";
    const [x, y] = visibility === "visible" ? [X(fixed), Y(fixed)] : [0, 0];
    write(star, { cx: x, cy: y, visibility });
    write(line, { x1: x, x2: x, y1: y, y2: area.bottom, visibility });
  };
}

// Write a text in which C_W stands for a letter with an index.
export function typeset(element, text) {
  if (element.dataset.text === text) return;
  element.dataset.text = text;
  const parts = text
    .split(/_(\w)/)
    .map((part, i) => (i % 2 ? html("sub", { text: part }) : part));
  element.replaceChildren(...parts);
}

// Accuracies as cells with their percentages, and a ring where the reader is.
export function accuracyIn(parent, { activation, weight_variance, depth, values }) {
  const title = `Accuracy after training, ${activation} (%)`;
  const { cell, list, plot } = drawing(parent, "accuracy", title);
  const says = html("span", { class: "accuracy-says" }, list);
  const ticks = ticksOf(plot);
  const across = svg("text", { class: "name", text: "C" }, plot);
  svg("tspan", { class: "sub", dy: 3, text: "W" }, across);
  const up = svg("text", { class: "name", text: "L" }, plot);
  const cells = svg("g", { class: "cells" }, plot);
  const ring = svg("circle", { class: "here", r: 7 }, plot);
  const all = values.flatMap((row, i) => row.map((value, j) => ({ i, j, value })));

  return (state) => {
    const [width, height] = sized(cell, plot, 0.8);
    const area = { left: 30, right: width - 4, top: 20, bottom: height - 34 };
    const w = (area.right - area.left) / weight_variance.length;
    const h = (area.bottom - area.top) / depth.length;
    const X = (i) => area.left + (i + 0.5) * w;
    const Y = (j) => area.bottom - (j + 0.5) * h;
    const groups = keep(cells, all.length, () => {
      const group = svg("g", { class: "cell" });
      svg("rect", {}, group);
      svg("text", {}, group);
      return group;
    });
    const size = clamp(Math.min(w / 2, h - 2), 0, 12);
    all.forEach(({ i, j, value }, c) => {
      const [box, text] = groups[c].children;
      const corner = { x: X(i) - w / 2, y: Y(j) - h / 2, width: w, height: h };
      // Never so strong that the numbers could not be read, on light and on dark pages.
      const strength = value === null ? 0 : 0.03 + 0.45 * value;
      write(box, { ...corner, "fill-opacity": strength });
      const says = value === null || size < 8 ? "" : `${Math.round(100 * value)}`;
      const style = `font-size: ${size}px`;
      write(text, { x: X(i), y: Y(j) + size / 3, style, text: says });
    });
    const every = Math.ceil(34 / w); // so that the numbers below do not touch
    writeTicks(ticks.across, weight_variance, (value, i) => ({
      ...{ x: X(i), y: area.bottom + 14, text: i % every ? "" : brief(round(value)) },
    }));
    const skip = Math.ceil(13 / h);
    writeTicks(ticks.up, depth, (value, j) => ({
      ...{ x: area.left - 5, y: Y(j) + 4, text: j % skip ? "" : brief(value) },
    }));
    write(across, { x: area.right, y: height - 5 });
    write(up, { x: area.left - 5, y: 13 });
    const here = state.activation === activation;
    const i = place(weight_variance, state.weight_variance);
    const j = place(depth, state.depth);
    write(ring, { cx: X(i), cy: Y(j), visibility: here ? "visible" : "hidden" });
    const found = values[Math.round(i)][Math.round(j)];
    const nearest = [weight_variance[Math.round(i)], depth[Math.round(j)]];
    const net = `○ you; nearest net (C_W ${brief(round(nearest[0]))}, L ${nearest[1]}): `;
    const result = found === null ? "not trained" : `${decimal(100 * found, 0)} %`;
    typeset(says, here ? net + result : `measured with ${activation} only`);
    return here ? found : null;
  };
}

const round = (value) => Number(value.toPrecision(3));

// Where L/n stands between a Gaussian process and chaos, with the best ratio.
export function dialIn(parent) {
  const box = html("div", { class: "dial" }, parent);
  const title = html("div", { class: "panel-title" }, box);
  const plot = svg("svg", { class: "plot", "aria-hidden": "true" }, box);
  const bar = svg("line", { class: "axis" }, plot);
  const ticks = svg("g", { class: "ticks across" }, plot);
  const [left, right] = [svg("text", {}, plot), svg("text", { class: "end" }, plot)];
  const best = svg("path", { class: "best" }, plot);
  const bestName = svg("text", { class: "best-name", text: "r*" }, plot);
  const dot = svg("circle", { class: "dot", r: 5.5, cy: 22 }, plot);

  return (ratio, optimal, text) => {
    write(title, { text });
    const [width] = sized(box, plot, 0);
    const [low, high] = [1e-3, 100];
    const X = logarithmic(low, high, 20, width - 20);
    write(bar, { x1: 20, x2: width - 20, y1: 22, y2: 22 });
    writeTicks(ticks, [0.001, 0.01, 0.1, 1, 10, 100], (value) => ({
      ...{ x: X(value), y: 38, text: brief(value) },
    }));
    write(left, { x: 4, y: 54, text: "← Gaussian, features fixed" });
    write(right, { x: width - 4, y: 54, text: "every draw differs →" });
    write(dot, { cx: X(clamp(ratio, low, high)) });
    const shown = optimal === null ? "hidden" : "visible";
    const at = optimal === null ? 0 : X(optimal);
    write(best, { d: `M${at},14V30`, visibility: shown });
    write(bestName, { x: at, y: 10, visibility: shown });
  };
}
