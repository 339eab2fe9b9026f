// The elements of the edge editor, made once.

import { html, svg } from "./plot.js";

// Text in which _m is an index.
function indexed(element, text) {
  text.split("_m").forEach((piece, i) => {
    if (i > 0) html("sub", { text: "m" }, element);
    element.append(piece);
  });
}

// Formula, legend and plot; the parts that change have names.
export function plotIn(root) {
  const parts = {};
  const head = html("div", { class: "head" }, root);
  indexed(
    html("span", { class: "formula" }, head),
    "φ(x) = w·silu(x) + Σ_m c_m B_m(x)",
  );
  parts.facts = html("span", { class: "facts" }, head);
  const legend = html("div", { class: "legend", "aria-hidden": "true" }, root);
  for (const [kind, text] of [
    ["phi", "the edge φ"],
    ["base", "base part w·silu"],
    ["bump", "bumps c_m B_m"],
    ["knob", "coefficients c_m"],
    ["tangent", "slope at x"],
  ]) {
    indexed(html("span", { class: `key ${kind}` }, legend), text);
  }

  const plot = svg("svg", {}, root);
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
  return parts;
}

// One coefficient's handle.
export function handle() {
  const made = svg("g", { class: "handle", role: "slider", tabindex: "-1" });
  made.setAttribute("aria-orientation", "vertical");
  svg("rect", { class: "hit" }, made);
  svg("line", { class: "stem" }, made);
  svg("circle", { class: "knob" }, made);
  return made;
}

// The three numbers under the plot.
export function readoutIn(root) {
  const readout = html("div", { class: "readout" }, root);
  const pairs = { x: "x", value: "φ(x)", slope: "φ′(x)" };
  return Object.fromEntries(
    Object.entries(pairs).map(([name, text]) => {
      const pair = html("span", { class: `pair ${name}` }, readout);
      html("span", { class: "symbol", text: `${text} = ` }, pair);
      return [name, html("output", { "aria-live": "off" }, pair)];
    }),
  );
}
