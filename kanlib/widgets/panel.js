// A panel of curves: axes with ticks, a reference in gray, curves, and dots on them.

import {
  brief,
  clamp,
  html,
  keep,
  linear,
  logarithmic,
  logTicks,
  polyline,
  svg,
  ticks,
  write,
} from "./plot.js";
import { rowAt, unpack } from "./packed.js";

const NAMED = 4; // kinds of line that the style sheet tells apart

// What Python packed, as numbers.
export function unpacked({ x, y, reference, dots_x, dots_y, ...rest }) {
  const dots = dots_x && { x: unpack(dots_x), y: unpack(dots_y) };
  return {
    ...rest,
    x: unpack(x),
    y: unpack(y),
    reference: reference && unpack(reference),
    dots,
  };
}

// What a panel shows at a state; `position` between two states mixes them.
export function shownAt(panel, position) {
  const { points, curves, log, marks } = panel;
  const ys = rowAt(panel.y, curves * points, position, log);
  const dots = panel.dots && {
    x: rowAt(panel.dots.x, marks, position),
    y: rowAt(panel.dots.y, marks, position, log),
  };
  return {
    x: rowAt(panel.x, points, position),
    ys: Array.from({ length: curves }, (_, c) =>
      ys.subarray(c * points, (c + 1) * points),
    ),
    dots,
  };
}

// The panels of a figure side by side: up to three in a row, on a phone up to two.
export function panelRow(parent, descriptions) {
  const box = html("div", { class: "panels" }, parent);
  const count = descriptions.length;
  box.style.setProperty("--wide", count <= 3 ? count : Math.ceil(count / 2));
  box.style.setProperty("--narrow", Math.min(count, 2));
  return descriptions.map((description) => panelIn(box, unpacked(description)));
}

// One panel, `ratio` times as high as wide; `draw(position)` shows a state, `scales` are
// those of the last drawing.
export function panelIn(parent, panel, ratio = 0.62) {
  const cell = html("div", { class: "panel" }, parent);
  const head = html("div", { class: "panel-head" }, cell);
  html("div", { class: "panel-title", text: panel.title }, head);
  legend(head, panel);
  const plot = svg("svg", { class: "plot", "aria-hidden": "true" }, cell);
  const parts = {
    plot,
    rows: svg("g", { class: "grid" }, plot),
    floor: svg("line", { class: "axis" }, plot),
    xTicks: svg("g", { class: "ticks across" }, plot),
    yTicks: svg("g", { class: "ticks up" }, plot),
    xName: svg("text", { class: "name", text: panel.xlabel }, plot),
    inside: svg("svg", {}, plot), // clips what leaves the plot
  };
  parts.reference = svg("path", { class: "reference" }, parts.inside);
  parts.curves = svg("g", {}, parts.inside);
  parts.dots = svg("g", { class: "dots" }, plot); // whole also where the plot ends
  const view = { panel, plot, scales: null };
  view.draw = (position) => {
    const shown = shownAt(panel, position);
    const width = Math.floor(cell.getBoundingClientRect().width);
    view.scales = axes(parts, panel, width, clamp(Math.round(width * ratio), 110, 250));
    curvesIn(parts, panel, shown, view.scales);
    return shown;
  };
  return view;
}

const kindOf = (panel, curve) =>
  panel.names.length ? `curve kind-${curve % NAMED}` : "curve kind-0";

function legend(head, panel) {
  const keys = panel.names.map((name, c) => [name, kindOf(panel, c)]);
  if (panel.reference) keys.push([panel.reference_name, "reference"]);
  if (panel.dots) keys.push([panel.dots_name, "dot"]);
  if (keys.length === 0) return;
  const list = html("div", { class: "panel-legend" }, head);
  for (const [name, kind] of keys) {
    const key = html("span", { class: "key" }, list);
    const width = kind === "dot" ? 10 : 22;
    const sample = svg("svg", { width, height: 10, "aria-hidden": "true" }, key);
    if (kind === "dot") svg("circle", { class: kind, cx: 5, cy: 5, r: 3.5 }, sample);
    else svg("path", { class: kind, d: "M0,5L22,5" }, sample);
    key.append(name);
  }
}

function axes(parts, panel, width, height) {
  const [[x0, x1], [y0, y1]] = [panel.xlim, panel.ylim];
  const up = (panel.log ? logTicks : ticks)(y0, y1, 4);
  const labels = up.map(brief);
  const widest = Math.max(...labels.map((label) => label.length));
  const area = {
    left: 12 + 6.6 * widest,
    right: width - 8,
    top: 8,
    bottom: height - 20,
  };
  const { left, right, top, bottom } = area;
  const X = linear(x0, x1, left, right);
  const Y = (panel.log ? logarithmic : linear)(y0, y1, bottom, top);
  write(parts.plot, { viewBox: `0 0 ${width} ${height}`, width, height });
  const box = { x: left, y: top, width: right - left, height: bottom - top };
  write(parts.inside, { ...box, viewBox: Object.values(box).join(" ") });
  write(parts.floor, { x1: left, x2: right, y1: bottom, y2: bottom });
  const rows = keep(parts.rows, up.length, () => svg("line"));
  const yText = keep(parts.yTicks, up.length, () => svg("text"));
  up.forEach((value, i) => {
    write(rows[i], { x1: left, x2: right, y1: Y(value), y2: Y(value) });
    write(yText[i], { x: left - 7, y: Y(value) + 4, text: labels[i] });
  });
  const room = (right - left) / 40 - 1; // the last place is that of the axis' name
  const across = ticks(x0, x1, clamp(Math.round(room), 2, 6));
  const xText = keep(parts.xTicks, across.length, () => svg("text"));
  const nameFrom = right - 7 * panel.xlabel.length - 12;
  across.forEach((value, i) =>
    write(xText[i], {
      x: X(value),
      y: bottom + 15,
      text: panel.xlabel && X(value) > nameFrom ? "" : brief(value),
    }),
  );
  write(parts.xName, { x: right, y: bottom + 15 });
  return { X, Y, area };
}

function curvesIn(parts, panel, { x, ys, dots }, { X, Y, area }) {
  const xs = [...x].map(X);
  const reference = panel.reference ? polyline(xs, [...panel.reference].map(Y)) : "";
  write(parts.reference, { d: reference });
  const paths = keep(parts.curves, ys.length, (c) =>
    svg("path", { class: kindOf(panel, c) }),
  );
  ys.forEach((values, c) => write(paths[c], { d: polyline(xs, [...values].map(Y)) }));
  const places = dots ? Array.from(dots.x, (dot, i) => [X(dot), Y(dots.y[i])]) : [];
  const there = places.filter((place) => within(place, area));
  const circles = keep(parts.dots, there.length, () => svg("circle", { class: "dot" }));
  there.forEach(([cx, cy], i) =>
    write(circles[i], { cx, cy, r: there.length > 20 ? 2.2 : 3.5 }),
  );
}

// Whether a dot shows; one with a NaN does not.
const within = ([x, y], { left, right, top, bottom }) =>
  left - 0.5 <= x && x <= right + 0.5 && top - 0.5 <= y && y <= bottom + 0.5;
