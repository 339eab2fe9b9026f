// What the edge editor draws: its curve, its bumps, its handles and its point.

import {
  brief,
  clamp,
  decimal,
  keep,
  linear,
  polyline,
  svg,
  ticks,
  write,
} from "./plot.js";
import { basis, domain, dot, edge, greville, silu } from "./spline.js";

const SAMPLES = 401; // points where the curve is drawn, and compared across a refinement

const spread = ([low, high], count) =>
  Array.from({ length: count }, (_, i) =>
    i === count - 1 ? high : low + ((high - low) * i) / (count - 1),
  );

// Everything that depends on the knots alone, so that a drag costs only dot products.
export function sampled(knots, degree) {
  const xs = spread(domain(knots, degree), SAMPLES);
  const bumps = knots.slice(0, knots.length - degree - 1).map((first, k) => {
    const own = spread([first, knots[k + degree + 1]], 12 * (degree + 1) + 1);
    return { xs: own, heights: own.map((x) => basis(knots, degree, x)[k]) };
  });
  const rows = xs.map((x) => basis(knots, degree, x));
  return { xs, rows, bumps, base: xs.map((x) => silu(x)) };
}

export const curveOf = ({ rows, base }, { coefficients, base_weight }) =>
  rows.map((row, i) => base_weight * base[i] + dot(coefficients, row));

// The last result of `compute` for the same knots and degree.
export function memo(compute) {
  let key, value;
  return (knots, degree) => {
    const now = JSON.stringify([knots, degree]);
    if (now !== key) [key, value] = [now, compute(knots, degree)];
    return value;
  };
}

// Where everything stands in a plot of this width.
export function geometry({ knots, degree }, [x0, x1, y0, y1], width) {
  const height = clamp(Math.round(width * 0.52), 250, 380);
  const area = { left: 34, right: width - 12, top: 10, bottom: height - 34 };
  const centers = greville(knots, degree);
  const low = Math.min(x0, centers[0]);
  const high = Math.max(x1, centers.at(-1));
  return {
    ...{ width, height, area, centers, ys: [y0, y1], ends: domain(knots, degree) },
    X: linear(low, high, area.left, area.right),
    Y: linear(y0, y1, area.bottom, area.top),
    toX: linear(area.left, area.right, low, high),
    toValue: linear(area.bottom, area.top, y0, y1),
    reach: (24 * (y1 - y0)) / (area.bottom - area.top),
  };
}

export function drawAxes(parts, { width, height, X, Y, area, ys, ends }, knots) {
  const { left, right, top, bottom } = area;
  write(parts.plot, { viewBox: `0 0 ${width} ${height}`, width, height });
  const frame = { x: left, y: top, width: right - left, height: bottom - top };
  write(parts.bumps, { ...frame, viewBox: Object.values(frame).join(" ") });
  const box = { x: X(ends[0]), width: X(ends[1]) - X(ends[0]) };
  write(parts.inside, { ...box, y: top, height: bottom - top });
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

export function drawCurves(parts, { X, Y, area, ends }, state, samples, active) {
  const { coefficients, base_weight: weight } = state;
  const values = curveOf(samples, state);
  const xs = samples.xs.map(X);
  write(parts.phi, { d: polyline(xs, values.map(Y)) });
  const base = samples.base.map((value) => Y(weight * value));
  write(parts.base, { d: polyline(xs, base) });
  const labelX = X(ends[1]) + 7;
  const [phiY, baseY] = apart(Y(values.at(-1)), base.at(-1), 15, area);
  write(parts.phiLabel, { x: labelX, y: phiY + 4 });
  write(parts.baseLabel, { x: labelX, y: baseY + 4 });
  // The bumps stand where their handles stand, also outside the domain.
  const bumps = keep(parts.bumps, coefficients.length, () =>
    svg("path", { class: "bump" }),
  );
  samples.bumps.forEach((bump, k) => {
    const ys = bump.heights.map((height) => Y(coefficients[k] * height));
    write(bumps[k], { d: polyline(bump.xs.map(X), ys) });
    bumps[k].classList.toggle("active", k === active);
  });
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

// A handle for each coefficient; one of them is reached by Tab.
export function drawHandles(parts, { X, Y, centers, ys }, coefficients, active, make) {
  const count = coefficients.length;
  const spacing = count > 1 ? (X(centers.at(-1)) - X(centers[0])) / (count - 1) : 44;
  const radius = clamp(spacing * 0.36, 3, 7.5);
  const entry = clamp(active ?? Math.floor(count / 2), 0, count - 1);
  keep(parts.handles, count, make).forEach((handle, k) => {
    const [hit, stem, knob] = handle.children;
    const [x, y] = [X(centers[k]), Y(coefficients[k])];
    const reach = clamp(spacing, 7, 44);
    write(hit, { x: x - reach / 2, y: y - 22, width: reach, height: 44 });
    write(stem, { x1: x, x2: x, y1: Y(0), y2: y });
    write(knob, { cx: x, cy: y, r: k === active ? radius + 1.5 : radius });
    write(handle, {
      tabindex: k === entry ? 0 : -1,
      "aria-label": `coefficient ${k} of ${count}`,
      "aria-valuemin": ys[0],
      "aria-valuemax": ys[1],
      "aria-valuenow": Number(coefficients[k].toFixed(4)),
      "aria-valuetext": `c ${k} is ${decimal(coefficients[k])}`,
    });
    handle.classList.toggle("active", k === active);
  });
}

export function drawProbe(parts, { X, Y, area, ends }, state, numbers) {
  const { probe } = state;
  const [value, slope] = [edge(state, probe), edge(state, probe, 1)];
  const reach = (ends[1] - ends[0]) * 0.14;
  const [x, y, bottom] = [X(probe), Y(value), area.bottom];
  write(parts.drop, { x1: x, x2: x, y1: y, y2: bottom });
  write(parts.dot, { cx: x, cy: y, r: 4.5 });
  write(parts.tangent, {
    x1: X(probe - reach),
    x2: X(probe + reach),
    y1: Y(value - slope * reach),
    y2: Y(value + slope * reach),
  });
  write(parts.grip, { d: `M${x},${bottom} l8,12 h-16 z` });
  write(parts.gripHit, { x: x - 22, y: bottom - 8, width: 44, height: 32 });
  write(parts.probe, {
    "aria-valuemin": ends[0],
    "aria-valuemax": ends[1],
    "aria-valuenow": probe,
    "aria-valuetext": `x is ${decimal(probe)}, value ${decimal(value, 3)}, slope ${decimal(slope, 3)}`,
  });
  write(numbers.x, { text: decimal(probe), "data-number": probe });
  write(numbers.value, { text: decimal(value, 4), "data-number": value });
  write(numbers.slope, { text: decimal(slope, 4), "data-number": slope });
}
