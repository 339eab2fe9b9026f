import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ACTIVATIONS,
  decades,
  distribution,
  fixedPoint,
  flow,
  isOne,
  mapped,
  moments,
  place,
  susceptibilities,
  verdict,
} from "../../../kanlib/widgets/criticality.js";

const near = (got, expected, relative = 1e-12) =>
  assert.ok(
    Math.abs(got - expected) <= relative * Math.abs(expected),
    `${got} for ${expected}`,
  );

test("the normal distribution has its known values and is symmetric", () => {
  near(distribution(0), 0.5);
  near(distribution(1.96), 0.9750021048517795, 1e-15);
  near(distribution(-1), 0.15865525393145707, 1e-14);
  for (const z of [0.003, 0.7, 2.5, 8.99]) {
    near(distribution(z) + distribution(-z), 1, 1e-15);
  }
  assert.deepEqual([distribution(40), distribution(-40)], [1, 0]);
  assert.ok(Number.isNaN(distribution(NaN)));
});

test("slopes are those of the values", () => {
  for (const [name, { value, slope }] of Object.entries(ACTIVATIONS)) {
    for (const z of [-30, -2.2, -0.4, 0.9, 5]) {
      const difference = (value(z + 1e-5) - value(z - 1e-5)) / 2e-5;
      assert.ok(Math.abs(difference - slope(z)) < 1e-8, `${name} at ${z}`);
    }
  }
});

test("moments have closed forms for the linear pieces and the sine", () => {
  for (const k of [1e-8, 0.2, 1, 7]) {
    const [line, relu, sine] = ["linear", "relu", "sin"].map((f) => moments(f, k));
    near(line.square, k);
    near(line.moved, 2 * k);
    near(relu.square, k / 2);
    near(relu.moved, k);
    near(relu.steep, 0.5);
    near(sine.square, -Math.expm1(-2 * k) / 2, 1e-11);
    near(sine.moved, 2 * k * Math.exp(-2 * k), 1e-7);
    near(sine.steep, (1 + Math.exp(-2 * k)) / 2, 1e-11);
  }
});

test("the parallel susceptibility is the slope of the map", () => {
  for (const name of Object.keys(ACTIVATIONS)) {
    for (const k of [0.05, 1, 20]) {
      const [up, down] = [1.001, 0.999].map((f) => mapped(name, f * k, 0.1, 1.7));
      const { parallel } = susceptibilities(name, k, 1.7);
      assert.ok(Math.abs((up - down) / (0.002 * k) - parallel) < 1e-5, name);
    }
  }
});

test("at K = 0 the map and the susceptibilities are limits", () => {
  assert.equal(mapped("sigmoid", 0, 0.1, 2), 0.6);
  assert.equal(mapped("tanh", 0, 0, 2), 0);
  for (const [name, expected] of [
    ["tanh", 1.5],
    ["relu", 0.75],
    ["gelu", 0.375],
  ]) {
    const limit = susceptibilities(name, 0, 1.5);
    const beside = susceptibilities(name, 1e-12, 1.5);
    for (const which of ["parallel", "perpendicular"]) {
      near(limit[which], expected);
      near(beside[which], expected, 1e-5);
    }
  }
});

test("a flow multiplies susceptibilities into distances", () => {
  const { covariance, distance } = flow("relu", 1, 5, 0, 1);
  [1, 0.5, 0.25, 0.125, 0.0625].forEach((value, i) => {
    near(covariance[i], value);
    near(distance[i], value);
  });
  const chaos = flow("tanh", 1, 50, 0, 3).distance;
  assert.ok(chaos.at(-1) > 1e4);
});

test("a flow ends at 0, at a number, at infinity, or stays", () => {
  assert.equal(fixedPoint("tanh", 1, 0, 1), 0);
  assert.equal(fixedPoint("tanh", 1, 0, 0.5), 0);
  assert.equal(fixedPoint("relu", 1, 0, 2.1), Infinity);
  assert.equal(fixedPoint("relu", 1, 0.3, 2), Infinity);
  assert.equal(fixedPoint("relu", 0.7, 0, 2), 0.7);
  near(fixedPoint("relu", 1, 0.1, 1), 0.2, 1e-10);
  for (const [name, start, bias, weight] of [
    ["tanh", 1, 0, 1.5],
    ["tanh", 0.01, 0.2, 0.5],
    ["sigmoid", 1, 0.1, 3],
  ]) {
    const fixed = fixedPoint(name, start, bias, weight);
    near(mapped(name, fixed, bias, weight), fixed, 1e-10);
    near(flow(name, start, 400, bias, weight).covariance.at(-1), fixed, 1e-6);
  }
});

test("a tangent fixed point stops the flow that comes from its side", () => {
  const tangent = (3 + Math.sqrt(17)) / 2; // of GELU, see kanlib.theory.criticality
  const critical = ["gelu", 5, 0.1729223908, 1.9830582574];
  assert.equal(fixedPoint(...critical, tangent), tangent);
  assert.equal(fixedPoint(...critical.with(1, tangent), tangent), tangent);
  const below = fixedPoint(...critical.with(1, 1), tangent);
  assert.ok(below < tangent);
});

test("a verdict says what becomes of a signal, and how fast", () => {
  const word = (fixed, parallel, perpendicular) =>
    verdict(fixed, { parallel, perpendicular }).word;
  assert.equal(word(0, 1, 1.0005), "critical");
  assert.equal(word(0, 0.9, 0.9), "dies");
  assert.equal(word(Infinity, 1.2, 1.2), "explodes");
  assert.equal(word(0.4, 0.7, 1.2), "chaos");
  assert.equal(word(0.4, 0.7, 0.9), "order");
  assert.equal(word(0.4, 0.7, 1), "edge");
  near(verdict(0, { parallel: Math.exp(-0.1), perpendicular: 0.5 }).scale, 10);
  assert.deepEqual([0.9989, 0.9995, 1.0005, 1.0011].map(isOne), [
    false,
    true,
    true,
    false,
  ]);
});

test("axes end at powers of ten around what is shown, as far as they reach", () => {
  assert.deepEqual(decades([0.02, 3], [0.1, 10], [1e-8, 1e8]), [0.01, 10]);
  assert.deepEqual(decades([0, Infinity, 1], [0.1, 10], [1e-8, 1e8]), [0.1, 10]);
  assert.deepEqual(decades([1e-30, 1e30], [0.1, 10], [1e-8, 1e8]), [1e-8, 1e8]);
});

test("a value has a place among sorted ones, also beyond them", () => {
  assert.deepEqual(
    [0, 1, 1.5, 2, 3, 9].map((value) => place([1, 2, 4], value)),
    [0, 0, 0.5, 1, 1.5, 2],
  );
});
