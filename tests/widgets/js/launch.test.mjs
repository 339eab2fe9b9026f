import assert from "node:assert/strict";
import { test } from "node:test";
import {
  arrows,
  attainable,
  launchCounts,
  launchIntensity,
  plainCount,
} from "../../../kanlib/widgets/launch.js";

const paper = { rows: 1024 * 197, channels: 768, groups: 8, tile_rows: 64, flops: 57 };
const device = { peak: 67e12, bandwidth: 4.8e12 };

test("the counts are those of the paper's shape", () => {
  const { element, block, tile, partials } = launchCounts(paper);
  assert.equal(element.queue, 19_365_888);
  assert.equal(element.atomics, 1_549_271_040);
  assert.equal(block.queue, 605_184);
  assert.deepEqual(tile, { atomics: 252_160, queue: 3152, extra: 2_017_280 });
  assert.deepEqual(partials, { atomics: 0, queue: 0, extra: 2_017_280 });
});

test("a tile and a block that do not come out even count in full", () => {
  const odd = { rows: 65, channels: 96, groups: 1, tile_rows: 64 };
  const { block, tile } = launchCounts(odd);
  assert.equal(tile.queue, 2);
  assert.equal(block.queue, 25); // 6240 / 256 = 24.4
});

test("atomics cost intensity", () => {
  const { element } = launchCounts(paper);
  assert.equal(launchIntensity(paper, 0), 57 / 12);
  assert.equal(launchIntensity(paper, element.extra), 57 / 92);
});

test("the roof is the lower of slope and peak", () => {
  assert.equal(attainable(device, 1), 4.8e12);
  assert.equal(attainable(device, 1000), 67e12);
});

test("arrows that do not fit stand for several", () => {
  assert.deepEqual(arrows(16, 18.5), { drawn: 16, each: 1 });
  assert.deepEqual(arrows(90, 18.5), { drawn: 18, each: 5 });
  assert.deepEqual(arrows(7, 0.3), { drawn: 1, each: 7 });
  assert.deepEqual(arrows(0, 18.5), { drawn: 0, each: 0 });
});

test("counts are written as in print", () => {
  assert.equal(plainCount(96), "96");
  assert.equal(plainCount(3152), "3,152");
  assert.equal(plainCount(605_184.4), "605,184");
  assert.equal(plainCount(19_365_888), "1.9·10⁷");
});
