// B-splines in plain JavaScript: the twin of kanlib.bases.BSpline, tested against it.
// Knots t_0 <= ... <= t_{m-1}; K = m - degree - 1 functions; domain [t_degree, t_K].

export function domain(knots, degree) {
  return [knots[degree], knots[knots.length - degree - 1]];
}

// Index j of the piece [t_j, t_{j+1}) that x lies in, or -1. The domain is closed: its
// right end belongs to the piece on its left.
function pieceOf(knots, degree, x) {
  const right = domain(knots, degree)[1];
  for (let j = knots.length - 2; j >= 0; j--) {
    const inside = x === right ? knots[j] < x : knots[j] <= x && x < knots[j + 1];
    if (inside) return j;
  }
  return -1;
}

const over = (numerator, width) => (width > 0 ? numerator / width : 0);

// The recursion of Cox and de Boor, from the indicator of a piece up to `order`.
function raised(knots, piece, order, x) {
  let values = knots.slice(1).map((_, j) => (j === piece ? 1 : 0));
  for (let p = 1; p <= order; p++) {
    values = values
      .slice(1)
      .map(
        (_, j) =>
          over((x - knots[j]) * values[j], knots[j + p] - knots[j]) +
          over((knots[j + p + 1] - x) * values[j + 1], knots[j + p + 1] - knots[j + 1]),
      );
  }
  return values;
}

// All K values B_k(x), or with derivative = 1 all B_k'(x).
export function basis(knots, degree, x, derivative = 0) {
  if (Number.isNaN(x)) return new Array(knots.length - degree - 1).fill(NaN);
  const piece = pieceOf(knots, degree, x);
  if (derivative === 0) return raised(knots, piece, degree, x);
  if (degree === 0) return new Array(knots.length - 1).fill(0);
  const lower = raised(knots, piece, degree - 1, x);
  return lower
    .slice(1)
    .map(
      (_, j) =>
        over(degree * lower[j], knots[j + degree] - knots[j]) -
        over(degree * lower[j + 1], knots[j + degree + 1] - knots[j + 1]),
    );
}

export const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

// silu(x) = x / (1 + exp(-x)), and its derivative.
export function silu(x, derivative = 0) {
  const sigmoid = 1 / (1 + Math.exp(-x));
  return derivative === 0 ? x * sigmoid : sigmoid * (1 + x * (1 - sigmoid));
}

// phi(x) = w silu(x) + sum_k c_k B_k(x), or phi'(x).
export function edge({ knots, degree, coefficients, base_weight }, x, derivative = 0) {
  return (
    base_weight * silu(x, derivative) +
    dot(coefficients, basis(knots, degree, x, derivative))
  );
}

// Where B_k is centered: the mean of its inner knots (degree 0: the middle of its piece).
export function greville(knots, degree) {
  return knots.slice(0, knots.length - degree - 1).map((_, k) => {
    const own =
      degree === 0 ? knots.slice(k, k + 2) : knots.slice(k + 1, k + degree + 1);
    return own.reduce((sum, knot) => sum + knot, 0) / own.length;
  });
}

// Boehm: one more knot u, the same function.
export function insertKnot(knots, degree, coefficients, u) {
  const at = (k) => coefficients[k] ?? 0;
  const share = (k) => {
    if (u >= knots[k + degree]) return 1;
    return u <= knots[k] ? 0 : (u - knots[k]) / (knots[k + degree] - knots[k]);
  };
  const piece = knots.findLastIndex((knot) => knot <= u);
  const blended = (k) => {
    if (k <= piece - degree) return at(k);
    if (k > piece) return at(k - 1);
    return share(k) * at(k) + (1 - share(k)) * at(k - 1);
  };
  return {
    knots: [...knots.slice(0, piece + 1), u, ...knots.slice(piece + 1)],
    coefficients: Array.from({ length: coefficients.length + 1 }, (_, k) => blended(k)),
  };
}

function isUniform(knots) {
  const step = (knots.at(-1) - knots[0]) / (knots.length - 1);
  return knots.every((knot, j) => Math.abs(knot - knots[0] - j * step) < 1e-9 * step);
}

// Halve every interval of the domain; the curve there is unchanged. Uniform knots stay
// uniform, with the outer ones drawn in, so that K grows from G + degree to 2 G + degree.
export function refine(knots, degree, coefficients) {
  const [left, right] = domain(knots, degree);
  const uniform = isUniform(knots);
  let fine = { knots, coefficients };
  for (let j = 0; j + 1 < knots.length; j++) {
    const cut = uniform || (left <= knots[j] && knots[j + 1] <= right);
    if (cut && knots[j] < knots[j + 1]) {
      const middle = (knots[j] + knots[j + 1]) / 2;
      fine = insertKnot(fine.knots, degree, fine.coefficients, middle);
    }
  }
  // Functions that now live wholly outside the domain go.
  const spare = uniform ? degree : 0;
  return {
    knots: fine.knots.slice(spare, fine.knots.length - spare),
    coefficients: fine.coefficients.slice(spare, fine.coefficients.length - spare),
  };
}

// The number G of intervals in the domain.
export function intervals(knots, degree) {
  const [left, right] = domain(knots, degree);
  return new Set(knots.filter((knot) => left <= knot && knot <= right)).size - 1;
}
