import assert from "node:assert/strict";
import { test } from "node:test";
import { rowAt, rowOf, unpack } from "../../../kanlib/widgets/packed.js";

const codes = (...numbers) =>
  Buffer.from(Uint16Array.from(numbers).buffer).toString("base64");

test("codes run from low to high, and the last one is a gap", () => {
  const packed = { codes: codes(0, 32767, 65534, 65535), low: -1, high: 3, log: false };
  assert.deepEqual([...unpack(packed)], [-1, 1, 3, NaN]);
});

test("on a log scale the middle is the geometric mean", () => {
  const packed = { codes: codes(0, 32767, 65534), low: -4, high: 2, log: true };
  unpack(packed).forEach((value, i) => {
    assert.ok(Math.abs(value / [1e-4, 0.1, 100][i] - 1) < 1e-12);
  });
});

const VALUES = Float64Array.of(1, 10, 3, 1000, 5, NaN); // three rows of two

test("a row is exact, and mixed between two rows", () => {
  assert.deepEqual([...rowAt(VALUES, 2, 0)], [1, 10]);
  assert.deepEqual([...rowAt(VALUES, 2, 2)], [5, NaN]);
  assert.deepEqual([...rowAt(VALUES, 2, 0.5)], [2, 505]);
  assert.deepEqual([...rowAt(VALUES, 2, 1.25)], [3.5, NaN]);
  const [low, high] = rowAt(VALUES, 2, 0.5, true);
  assert.ok(Math.abs(low - Math.sqrt(3)) < 1e-12);
  assert.ok(Math.abs(high - 100) < 1e-9);
});

test("a single row is the same at all positions", () => {
  assert.deepEqual([...rowAt(VALUES, 6, 4.5)], [...VALUES]);
});

test("the last parameter runs fastest", () => {
  assert.equal(rowOf([0, 0], [2, 3]), 0);
  assert.equal(rowOf([1, 2], [2, 3]), 5);
  assert.equal(rowOf([1, 0, 3], [2, 3, 4]), 15);
});
