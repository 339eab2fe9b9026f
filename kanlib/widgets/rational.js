// A rational function without poles, its second moment under a normal input, and what a
// stack of layers makes of a variance. Plain numbers, no drawing.

// F(x) = P(x) / Q(x); form "A" has Q = 1 + Σ |b_j| |x|ʲ, form "B" Q = 1 + |Σ b_j xʲ|.
// Loops, because one drawing takes some ten thousand values.
export function rational(x, numerator, denominator, form) {
  const bounded = form === "A";
  const z = bounded ? Math.abs(x) : x;
  let p = 0;
  for (let r = numerator.length - 1; r >= 0; r--) p = p * x + numerator[r];
  let inner = 0;
  for (let j = denominator.length - 1; j >= 0; j--) {
    inner = (inner + (bounded ? Math.abs(denominator[j]) : denominator[j])) * z;
  }
  return p / (1 + Math.abs(inner));
}

const REACH = 10; // standard deviations; beyond is less than 1e-22
const HALF = 1000; // steps on either side of 0, where a kink may be

// E[F(√v X)²] for X ~ N(0, 1) by Simpson's rule on each side of 0.
export function secondMoment(numerator, denominator, form, variance = 1) {
  const step = REACH / HALF;
  const spread = Math.sqrt(variance);
  let sum = 0;
  for (let i = -HALF; i <= HALF; i++) {
    const z = i * step;
    const ends = Math.abs(i) === HALF ? 1 : i % 2 ? 4 : 2;
    const value = rational(spread * z, numerator, denominator, form);
    sum += ends * value * value * Math.exp((-z * z) / 2);
  }
  return (sum * step) / 3 / Math.sqrt(2 * Math.PI);
}

const LARGEST = 1e12; // of a variance; beyond, nothing more is to be seen

// The variances before and after each layer whose weights have the variance
// `scale` / inputs; `scale` null stands for the function's own gain.
export function variances(numerator, denominator, form, scale, layers = 12) {
  const moment = (v) => secondMoment(numerator, denominator, form, v);
  const factor = scale ?? 1 / moment(1);
  const found = [1];
  for (let layer = 0; layer < layers; layer++) {
    const next = factor * moment(found.at(-1));
    found.push(next < LARGEST ? next : LARGEST); // also for a NaN
  }
  return found;
}

// The largest difference of two rows of numbers where |x| ≤ 3.
export function largestGap(xs, ys, zs) {
  const gaps = xs.map((x, i) => (Math.abs(x) > 3 + 1e-9 ? 0 : Math.abs(ys[i] - zs[i])));
  return Math.max(...gaps);
}
