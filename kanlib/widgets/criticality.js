// What depth does to a signal: moments under a normal density, the map of the covariance
// from layer to layer, its susceptibilities, its fixed point. Plain numbers, no drawing;
// the numbers are those of kanlib.theory.

// The Gauss-Legendre rule of `count` points on [-1, 1], found by Newton's method.
function legendre(count) {
  return Array.from({ length: count }, (_, i) => {
    let x = Math.cos((Math.PI * (i + 0.75)) / (count + 0.5));
    let slope = 1;
    for (let step = 0; step < 8; step++) {
      let [before, now] = [1, x];
      for (let k = 2; k <= count; k++) {
        [before, now] = [now, ((2 * k - 1) * x * now - (k - 1) * before) / k];
      }
      slope = (count * (x * now - before)) / (x * x - 1);
      x -= now / slope;
    }
    return { x, weight: 2 / ((1 - x * x) * slope * slope) };
  });
}

const density = (z) => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);

// The normal distribution function: a table of integrals, and Taylor's series from the
// nearest entry, whose error is below 1e-15.
const CELLS = 64; // of the table, a unit
const TABLE = (() => {
  const rule = legendre(5);
  const table = [0.5];
  for (let i = 0; i < 9 * CELLS; i++) {
    const at = (x) => density((i + (x + 1) / 2) / CELLS);
    const sum = rule.reduce((total, { x, weight }) => total + weight * at(x), 0);
    table.push(table[i] + sum / (2 * CELLS));
  }
  return table;
})();

export function distribution(z) {
  const x = Math.abs(z);
  if (!(x < 9)) return z > 0 ? 1 : z < 0 ? 0 : NaN;
  const cell = Math.round(x * CELLS);
  const a = cell / CELLS;
  const d = x - a;
  // The derivatives of the density are it times Hermite's polynomials, with signs.
  const series =
    1 -
    (d / 2) *
      (a - (d / 3) * (a * a - 1 - (d / 4) * (a ** 3 - 3 * a - (d / 5) * quartic(a))));
  const value = TABLE[cell] + density(a) * d * series;
  return z < 0 ? 1 - value : value;
}
const quartic = (a) => a ** 4 - 6 * a * a + 3;

const logistic = (z) => 1 / (1 + Math.exp(-z));

// Value and slope; beyond `flat` of 0 both are polynomials of z, as near as counts.
export const ACTIVATIONS = {
  relu: { value: (z) => (z > 0 ? z : 0), slope: (z) => (z > 0 ? 1 : 0), flat: 0 },
  tanh: { value: Math.tanh, slope: (z) => 1 - Math.tanh(z) ** 2, flat: 12 },
  gelu: {
    value: (z) => z * distribution(z),
    slope: (z) => distribution(z) + z * density(z),
    flat: 9,
  },
  swish: {
    value: (z) => z * logistic(z),
    slope: (z) => logistic(z) * (1 + z * logistic(-z)),
    flat: 24,
  },
  sin: { value: Math.sin, slope: Math.cos, flat: Infinity },
  linear: { value: (z) => z, slope: () => 1, flat: 0 },
  sigmoid: { value: logistic, slope: (z) => logistic(z) * logistic(-z), flat: 24 },
};

const RULE = legendre(10);
const REACH = 9; // standard deviations; beyond is less than 1e-18
const PANEL = 2.25; // standard deviations, at most
const FINE = 2; // units of z, at most, where the activation is not flat

// ⟨σ²⟩, ⟨σ²(z²/K − 1)⟩ and ⟨σ'²⟩ for z ~ N(0, K). Panels end at 0, where a kink may be.
export function moments(name, variance) {
  const { value, slope, flat } = ACTIVATIONS[name];
  const spread = Math.sqrt(variance);
  const end = REACH * spread;
  let [square, moved, steep] = [0, 0, 0];
  for (let from = 0; from < end;) {
    const wide = from < flat ? Math.min(FINE, PANEL * spread) : PANEL * spread;
    const to = Math.min(from + wide, end);
    const half = (to - from) / 2;
    for (let i = 0; i < RULE.length; i++) {
      const z = from + half * (1 + RULE[i].x);
      const x = z / spread;
      const weight = ((RULE[i].weight * half) / spread) * density(x);
      const [up, down, right, left] = [value(z), value(-z), slope(z), slope(-z)];
      const sum = weight * (up * up + down * down);
      square += sum;
      moved += sum * (x * x - 1);
      steep += weight * (right * right + left * left);
    }
    from = to;
  }
  return { square, moved, steep };
}

// The next layer's covariance.
export const mapped = (name, variance, bias, weight) =>
  bias + weight * (variance > 0 ? moments(name, variance).square : origin(name) ** 2);

const origin = (name) => ACTIVATIONS[name].value(0);

// χ∥ = C_W ⟨σ²(z²−K)⟩ / 2K² and χ⊥ = C_W ⟨σ'²⟩; at K = 0 their limits, which are equal
// where σ(0) = 0.
export function susceptibilities(name, variance, weight) {
  if (variance === 0) {
    const { slope } = ACTIVATIONS[name];
    const both = (weight * (slope(1e-300) ** 2 + slope(-1e-300) ** 2)) / 2;
    return { parallel: both, perpendicular: both };
  }
  const { moved, steep } = moments(name, variance);
  return { parallel: (weight * moved) / (2 * variance), perpendicular: weight * steep };
}

// Layers 1 to `depth`: the covariance K, and by how much the squared distance of two
// nearby inputs of the same norm has grown since the first layer, the product of the χ⊥.
export function flow(name, start, depth, bias, weight) {
  const covariance = [start];
  const distance = [1];
  for (let layer = 1; layer < depth; layer++) {
    const { square, steep } = moments(name, covariance.at(-1));
    covariance.push(bias + weight * square);
    distance.push(distance.at(-1) * weight * steep);
  }
  return { covariance, distance };
}

const [NEAREST, FARTHEST, STRIDE] = [1e-9, 1e9, 10 ** 0.1];

// Where the flow from `start` ends: a covariance, 0, or Infinity. It never crosses a
// fixed point, for the map increases. One where the map touches the diagonal lies between
// two steps of the search, and has to be given: `tangent`, or null.
export function fixedPoint(name, start, bias, weight, tangent = null) {
  const found = crossing(name, start, bias, weight);
  const [low, high] = [Math.min(start, found), Math.max(start, found)];
  const between = low < tangent * (1 + 1e-6) && tangent * (1 - 1e-6) < high;
  return tangent !== null && between ? tangent : found;
}

function crossing(name, start, bias, weight) {
  const pull = (k) => mapped(name, k, bias, weight) / k - 1;
  const first = pull(start);
  if (Math.abs(first) < 1e-12) return start;
  const [factor, stop] = first < 0 ? [1 / STRIDE, 0] : [STRIDE, Infinity];
  let near = start;
  let far = near * factor;
  while (Math.sign(pull(far)) === Math.sign(first)) {
    if (far < NEAREST || far > FARTHEST) return stop;
    [near, far] = [far, far * factor];
  }
  for (let step = 0; step < 45; step++) {
    const middle = Math.sqrt(near * far);
    if (Math.sign(pull(middle)) === Math.sign(first)) near = middle;
    else far = middle;
  }
  return Math.sqrt(near * far);
}

const AT_ONE = 1e-3;

export const isOne = (value) => Math.abs(value - 1) < AT_ONE;

// What becomes of a signal, and the number of layers in which it changes by a factor e.
export function verdict(fixed, { parallel, perpendicular }) {
  if (isOne(parallel) && isOne(perpendicular))
    return { word: "critical", scale: Infinity };
  const scale = (chi) => (isOne(chi) ? Infinity : 1 / Math.abs(Math.log(chi)));
  if (fixed === 0) return { word: "dies", scale: scale(parallel) };
  if (fixed === Infinity) return { word: "explodes", scale: scale(parallel) };
  if (isOne(perpendicular)) return { word: "edge", scale: scale(parallel) };
  const word = perpendicular > 1 ? "chaos" : "order";
  return { word, scale: scale(perpendicular) };
}

// Whole powers of ten around all `values`, at least around `least`, at most `most`.
export function decades(values, least, most) {
  const [low, high] = values
    .filter((value) => value > 0 && value < Infinity)
    .reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], least);
  return [
    10 ** Math.floor(Math.log10(Math.max(low, most[0])) + 1e-9),
    10 ** Math.ceil(Math.log10(Math.min(high, most[1])) - 1e-9),
  ];
}

// Where a value stands among sorted ones, counted from 0, evenly between two of them.
export function place(sorted, value) {
  if (value <= sorted[0]) return 0;
  const after = sorted.findIndex((other) => other >= value);
  if (after < 0) return sorted.length - 1;
  const [a, b] = [sorted[after - 1], sorted[after]];
  return after - 1 + (value - a) / (b - a);
}
