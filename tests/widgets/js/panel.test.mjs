import assert from "node:assert/strict";
import { test } from "node:test";
import { shownAt } from "../../../kanlib/widgets/panel.js";
import { advanced } from "../../../kanlib/widgets/frame_player.js";
import { mixed, nearest } from "../../../kanlib/widgets/timeline.js";

// Two states, two curves, three points; two dots, one of them missing at first.
const PANEL = {
  points: 3,
  curves: 2,
  log: false,
  marks: 2,
  x: Float64Array.of(0, 1, 2),
  y: Float64Array.of(1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, NaN),
  dots: { x: Float64Array.of(0, NaN, 1, 2), y: Float64Array.of(1, NaN, 3, 4) },
};
const plain = ({ x, ys, dots }) => ({
  x: [...x],
  ys: ys.map((y) => [...y]),
  dots: dots && [[...dots.x], [...dots.y]],
});

test("a state is its own rows", () => {
  assert.deepEqual(plain(shownAt(PANEL, 1)), {
    x: [0, 1, 2],
    ys: [
      [11, 12, 13],
      [14, 15, NaN],
    ],
    dots: [
      [1, 2],
      [3, 4],
    ],
  });
});

test("between two states everything is mixed, and gaps stay gaps", () => {
  const { x, ys, dots } = plain(shownAt(PANEL, 0.5));
  assert.deepEqual(x, [0, 1, 2]);
  assert.deepEqual(ys, [
    [6, 7, 8],
    [9, 10, NaN],
  ]);
  assert.deepEqual(dots, [
    [0.5, NaN],
    [2, NaN],
  ]);
});

test("x may move with the states, and dots may be absent", () => {
  const moving = { ...PANEL, x: Float64Array.of(0, 1, 2, 2, 3, 4), dots: undefined };
  const { x, dots } = shownAt(moving, 0.5);
  assert.deepEqual([...x], [1, 2, 3]);
  assert.equal(dots, undefined);
});

test("a film takes its seconds, ends at its end, and forgives a hidden page", () => {
  assert.equal(advanced(0, 50, 2, 40), 1);
  assert.equal(advanced(39.5, 50, 2, 40), 40);
  assert.equal(advanced(0, 60_000, 2, 40), 2); // as after a tenth of a second
  assert.equal(advanced(0, -3, 2, 40), 0); // the screen's time before the click's
});

test("the timeline finds the nearest point and goes between two", () => {
  assert.equal(nearest([0, 10, 30], -5), 0);
  assert.equal(nearest([0, 10, 30], 21), 2);
  assert.equal(nearest([0, 10, 30], 19), 1);
  assert.equal(mixed([2, 4, 8], 1.5), 6);
  assert.equal(mixed([2, 4, 8], 2), 8);
});
