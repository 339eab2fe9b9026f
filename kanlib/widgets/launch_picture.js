// The launch picture: which program adds to which address, how long additions queue, and
// where the launches stand under the roofline.

import { figure, slider, statusLine } from "./figure.js";
import { brief, clamp, html, keep, logarithmic, logTicks, svg, write } from "./plot.js";
import {
  arrows,
  attainable,
  launchCounts,
  launchIntensity,
  plainCount,
} from "./launch.js";

const SIZES = {
  rows: "rows R",
  channels: "channels d",
  groups: "groups g",
  tile_rows: "tile rows T",
};
const LAUNCHES = {
  element: "an element",
  block: "a block",
  tile: "a tile",
  partials: "none",
};
const DEVICE = ["flops", "peak", "bandwidth"];
const QUEUES = [1, 1e9]; // ends of the axis of queues
const INTENSITIES = [0.1, 100];
const RATES = [1e11, 2e14];
const ROOM = 2; // pixels that an arrow takes

function render(context) {
  const { model } = context;
  const choices = model.get("_choices");
  const names = Object.keys(SIZES);
  const base = figure(context, {
    kind: "launch-picture",
    state: names,
    watch: [...names, ...DEVICE],
    draw,
  });
  const { root } = base;
  const box = html("div", { class: "pictures" }, root);
  const drawings = [
    programsIn(box, "One atomic an element", "element"),
    programsIn(box, "One a tile", "tile"),
    queuesIn(box, "Additions that queue at an address"),
    roofIn(box, "At most, with all bytes that move"),
  ];
  const say = statusLine(root);
  const controls = html("div", { class: "controls" }, root);
  const sliders = names.map((name) =>
    slider(controls, SIZES[name], { max: choices[name].length - 1 }, (i) =>
      base.assign({ [name]: choices[name][i] }),
    ),
  );

  function draw() {
    const now = base.read();
    for (const name of DEVICE) now[name] = model.get(name);
    const counts = launchCounts(now);
    for (const drawing of drawings) drawing(now, counts);
    names.forEach((name, i) => {
      sliders[i].show(choices[name].indexOf(now[name]), plainCount(now[name]));
    });
    const { element, tile } = counts;
    const [atomics, queue] = [tile.atomics, tile.queue].map(plainCount);
    const shorter = plainCount(element.queue / tile.queue);
    say(
      `With one atomic a tile: ${atomics} atomics in all, ${queue} at each address, ` +
        `${shorter} times fewer than with one an element.`,
    );
  }

  return base.stop;
}

function plotIn(parent, title, kind, ratio) {
  const cell = html("div", { class: `picture ${kind}` }, parent);
  html("div", { class: "picture-title", text: title }, cell);
  const plot = svg("svg", { class: "plot", "aria-hidden": "true" }, cell);
  const size = () => {
    const width = Math.floor(cell.getBoundingClientRect().width);
    const height = clamp(Math.round(width * ratio), 130, 210);
    write(plot, { viewBox: `0 0 ${width} ${height}`, width, height });
    return { width, height };
  };
  return { plot, size };
}

// The matrix above, cut into programs; a group's ten addresses below its columns; and
// arrows for what the programs add there, ten additions each.
function programsIn(parent, title, launch) {
  const { plot, size } = plotIn(parent, title, `programs ${launch}`, 0.58);
  const cells = svg("g", { class: "cells" }, plot);
  const lines = svg("g", { class: "arrows" }, plot);
  const heads = svg("g", { class: "addresses" }, plot);
  const note = svg("text", { class: "note" }, plot);

  return ({ rows, groups, tile_rows }, counts) => {
    const { width, height } = size();
    const [top, middle, low] = [4, height * 0.56, height - 40];
    const step = (width - 4) / groups;
    const left = (group) => 2 + group * step;
    const gap = Math.min(3, step / 8);
    const { drawn, each } = arrows(counts[launch].queue, (step - gap) / ROOM);
    const thick = clamp(1 + 0.35 * Math.log10(each), 1, ROOM);
    const bands = launch === "tile" ? Math.min(Math.ceil(rows / tile_rows), drawn) : 1;
    const tall = (middle - top) / bands;
    const rects = keep(cells, bands * groups, () => svg("rect", { class: "cell" }));
    const paths = keep(lines, drawn * groups, () => svg("line"));
    const slots = keep(heads, 10 * groups, () => svg("rect"));
    for (let group = 0; group < groups; group++) {
      for (let band = 0; band < bands; band++) {
        const place = { x: left(group), y: top + band * tall };
        const inner = { width: step - gap, height: tall - Math.min(2, tall / 4) };
        write(rects[group * bands + band], { ...place, ...inner });
      }
      for (let i = 0; i < drawn; i++) {
        const x = left(group) + ((i + 0.5) * (step - gap)) / drawn;
        // Elements lie all over the matrix; multiples of the golden ratio scatter them.
        const share = launch === "tile" ? (i + 0.5) / drawn : (i * 0.618034) % 1;
        const ends = { x1: x, x2: x, y1: top + share * (middle - top), y2: low };
        write(paths[group * drawn + i], { ...ends, "stroke-width": thick });
      }
      for (let k = 0; k < 10; k++) {
        const wide = (step - gap) / 10;
        const place = {
          x: left(group) + k * wide,
          y: low,
          width: wide * 0.8,
          height: 9,
        };
        write(slots[group * 10 + k], place);
      }
    }
    const additions = each === 1 ? "10" : `10 × ${plainCount(each)}`;
    const text = `green: ${10 * groups} addresses · arrow: ${additions} additions`;
    write(note, { x: 2, y: height - 8, text });
    write(plot, { "data-arrows": drawn * groups, "data-each": each });
  };
}

function queuesIn(parent, title) {
  const { plot, size } = plotIn(parent, title, "queues", 0.5);
  const grid = svg("g", { class: "grid" }, plot);
  const across = svg("g", { class: "ticks across" }, plot);
  const bars = svg("g", { class: "bars" }, plot);
  const labels = svg("g", { class: "labels" }, plot);
  const values = svg("g", { class: "values" }, plot);

  return (_, counts) => {
    const { width, height } = size();
    const [left, right, bottom] = [76, width - 12, height - 20];
    const X = logarithmic(...QUEUES, left, right);
    const marks = logTicks(...QUEUES, 4);
    const rules = keep(grid, marks.length, () => svg("line"));
    const texts = keep(across, marks.length, () => svg("text"));
    marks.forEach((value, i) => {
      write(rules[i], { x1: X(value), x2: X(value), y1: 4, y2: bottom });
      write(texts[i], { x: X(value), y: bottom + 15, text: brief(value) });
    });
    const shown = Object.entries(LAUNCHES);
    const step = (bottom - 8) / shown.length;
    const rects = keep(bars, shown.length, () => svg("rect"));
    const tags = keep(labels, shown.length, () => svg("text"));
    const ends = keep(values, shown.length, () => svg("text"));
    shown.forEach(([launch, label], i) => {
      const { queue } = counts[launch];
      const [y, end] = [6 + i * step, X(Math.max(queue, QUEUES[0]))];
      const bar = { x: left, y, width: end - left, height: step * 0.62 };
      write(rects[i], { ...bar, class: launch, "data-launch": launch });
      write(tags[i], { x: left - 6, y: y + step * 0.45, text: label });
      const far = end > right - 60;
      write(ends[i], {
        x: far ? end - 5 : end + 5,
        y: y + step * 0.45,
        class: far ? "inside" : "outside",
        text: plainCount(queue),
      });
    });
  };
}

function roofIn(parent, title) {
  const { plot, size } = plotIn(parent, title, "roof", 0.5);
  const grid = svg("g", { class: "grid" }, plot);
  const across = svg("g", { class: "ticks across" }, plot);
  const up = svg("g", { class: "ticks up" }, plot);
  const name = svg("text", { class: "name", text: "operations per byte" }, plot);
  const roof = svg("path", { class: "roofline" }, plot);
  const dots = svg("g", { class: "dots" }, plot);
  const labels = svg("g", { class: "tags" }, plot);

  return (now, counts) => {
    const { width, height } = size();
    const [left, right, top, bottom] = [44, width - 14, 6, height - 34];
    const X = logarithmic(...INTENSITIES, left, right);
    const Y = logarithmic(...RATES, bottom, top);
    const rates = logTicks(...RATES, 4);
    const rules = keep(grid, rates.length, () => svg("line"));
    const heights = keep(up, rates.length, () => svg("text"));
    rates.forEach((value, i) => {
      write(rules[i], { x1: left, x2: right, y1: Y(value), y2: Y(value) });
      write(heights[i], { x: left - 6, y: Y(value) + 4, text: brief(value) });
    });
    const marks = logTicks(...INTENSITIES, 4);
    const texts = keep(across, marks.length, () => svg("text"));
    marks.forEach((value, i) =>
      write(texts[i], { x: X(value), y: bottom + 14, text: brief(value) }),
    );
    write(name, { x: right, y: bottom + 29 });
    const at = (intensity) => [X(intensity), Y(attainable(now, intensity))];
    const ridge = clamp(now.peak / now.bandwidth, ...INTENSITIES);
    const corners = [INTENSITIES[0], ridge, INTENSITIES[1]].map(at);
    write(roof, { d: `M${corners.map((corner) => corner.join(",")).join("L")}` });
    const shown = ["element", "block", "tile"];
    const circles = keep(dots, shown.length, () => svg("circle", { r: 5 }));
    const tags = keep(labels, shown.length, () => svg("text"));
    shown.forEach((launch, i) => {
      const intensity = launchIntensity(now, counts[launch].extra);
      const [cx, cy] = at(intensity);
      write(circles[i], { cx, cy, class: launch, "data-intensity": intensity });
      const text = LAUNCHES[launch].replace(/^an? /, "");
      const beside =
        launch === "block" ? { x: cx - 8, y: cy - 7 } : { x: cx + 9, y: cy + 14 };
      write(tags[i], { ...beside, class: launch, text });
    });
  };
}

export default { render };
