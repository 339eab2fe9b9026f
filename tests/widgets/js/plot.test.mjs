import assert from "node:assert/strict";
import { test } from "node:test";
import {
  brief,
  clamp,
  decimal,
  linear,
  logarithmic,
  logTicks,
  polyline,
  scientific,
  subscript,
  ticks,
} from "../../../kanlib/widgets/plot.js";

const close = (got, expected) => {
  assert.equal(got.length, expected.length, `${got} for ${expected}`);
  got.forEach((value, i) =>
    assert.ok(Math.abs(value - expected[i]) <= 1e-12 * Math.abs(expected[i]) + 1e-15),
  );
};

test("ticks are round and inside", () => {
  close(ticks(-1, 1, 5), [-1, -0.5, 0, 0.5, 1]);
  close(ticks(0, 3, 5), [0, 1, 2, 3]);
  close(ticks(-2.5, 2.5, 5), [-2, -1, 0, 1, 2]);
  close(ticks(1e-3, 2e-3, 5), [1e-3, 1.2e-3, 1.4e-3, 1.6e-3, 1.8e-3, 2e-3]);
});

test("ticks of a log axis are powers of ten, fewer where there are many", () => {
  close(logTicks(0.002, 3, 4), [0.01, 0.1, 1]);
  close(logTicks(1e-3, 1, 4), [1e-3, 1e-2, 1e-1, 1]);
  close(logTicks(1e-13, 5, 4), [1e-12, 1e-8, 1e-4, 1]);
  const many = logTicks(1e-300, 1e300, 5);
  assert.ok(many.length >= 2 && many.length <= 5, `${many}`);
});

test("ticks of a short log axis are twos and fives, or evenly spaced", () => {
  close(logTicks(0.3, 8, 4), [0.5, 1, 2, 5]);
  close(logTicks(2.1, 2.9, 4), [2.2, 2.4, 2.6, 2.8]);
  assert.ok(logTicks(2.99, 3.01, 4).length >= 2);
});

test("scales meet both ends", () => {
  assert.equal(linear(-1, 3, 10, 50)(-1), 10);
  assert.equal(linear(-1, 3, 10, 50)(3), 50);
  const scale = logarithmic(0.01, 100, 200, 0);
  close([0.01, 1, 100].map(scale), [200, 100, 0]);
  assert.ok(Number.isNaN(scale(NaN)));
  assert.deepEqual(
    [-5, 0.5, 7].map((value) => clamp(value, 0, 1)),
    [0, 0.5, 1],
  );
});

test("numbers are written as in print", () => {
  assert.equal(decimal(-0.001), "0.00");
  assert.equal(decimal(-1.5), "−1.50");
  assert.equal(scientific(2.25e-16), "2.3·10⁻¹⁶");
  assert.equal(scientific(0), "0");
  assert.equal(subscript(12), "₁₂");
  assert.equal(brief(-0.30000000000000004), "−0.3");
  assert.equal(brief(0), "0");
  assert.equal(brief(1e-12), "10⁻¹²");
  assert.equal(brief(-2.5e-4), "−2.5·10⁻⁴");
  assert.equal(brief(300000), "3·10⁵");
  assert.equal(brief(20000), "20000");
});

test("a point that is not finite leaves a gap", () => {
  const path = polyline([0, 1, 2, 3, 4], [1, 2, NaN, 3, 4]);
  assert.equal(path, "M0.00,1.00L1.00,2.00M3.00,3.00L4.00,4.00");
  assert.equal(polyline([NaN, 1], [0, -Infinity]), "");
  assert.equal(polyline([], []), "");
});
