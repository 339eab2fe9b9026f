// The whole run in one panel, with a dot where the film is; drag it to wind the film.

import { draggable } from "./figure.js";
import { clamp, html, keep, svg, write } from "./plot.js";
import { panelIn, unpacked } from "./panel.js";

// Between two entries of a list.
export function mixed(values, at) {
  const [a, b] = [values[Math.floor(at)], values[Math.ceil(at)]];
  return a + (b - a) * (at - Math.floor(at));
}

// The number of the point of xs that lies nearest to x.
export const nearest = (xs, x) =>
  xs.reduce(
    (best, point, i) => (Math.abs(point - x) < Math.abs(xs[best] - x) ? i : best),
    0,
  );

// `go(frame)` is called while the reader drags.
export function timelineIn(parent, run, go) {
  const box = html("div", { class: "timeline" }, parent);
  const view = panelIn(box, unpacked(run), 0.16);
  const { x, y, points, curves } = view.panel;
  const line = svg("line", { class: "cursor" }, view.plot);
  const dots = keep(svg("g", {}, view.plot), curves, () =>
    svg("circle", { class: "dot", r: 4.5 }),
  );
  const wind = (event) => {
    const { X, area } = view.scales;
    const at = event.clientX - view.plot.getBoundingClientRect().left;
    go(nearest(Array.from(x, X), clamp(at, area.left, area.right)));
  };
  draggable(view.plot, { start: wind, move: wind, sideways: true });

  function draw(position) {
    view.draw(0);
    const { X, Y, area } = view.scales;
    const cx = mixed(Array.from(x, X), position);
    write(line, { x1: cx, x2: cx, y1: area.top, y2: area.bottom });
    dots.forEach((dot, c) => {
      const own = y.subarray(c * points, (c + 1) * points);
      const cy = mixed(Array.from(own, Y), position);
      write(dot, { cx, cy: Number.isFinite(cy) ? cy : area.bottom });
    });
  }
  return { draw };
}
