// Arrays as a page carries them: the twin of kanlib/widgets/_packed.py, tested against it.

const MOST = 65534; // the code of `high`; one above it stands for NaN, a gap

// Two bytes a number, evenly from low to high, on a log scale if `log`.
export function unpack({ codes, low, high, log }) {
  const bytes = Uint8Array.from(atob(codes), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float64Array.from({ length: bytes.length / 2 }, (_, i) => {
    const code = view.getUint16(2 * i, true);
    if (code > MOST) return NaN;
    const value = low + ((high - low) * code) / MOST;
    return log ? 10 ** value : value;
  });
}

// Row `position` of an array with `count` numbers a row; between two rows the mixture of
// both, geometric if `log`. An array of one row has the same row everywhere.
export function rowAt(values, count, position, log = false) {
  const row = (r) => values.subarray(r * count, (r + 1) * count);
  if (values.length === count) return row(0);
  const below = Math.floor(position);
  const share = position - below;
  if (share === 0) return row(below);
  const [a, b] = [row(below), row(below + 1)];
  return log
    ? a.map((value, i) => value ** (1 - share) * b[i] ** share)
    : a.map((value, i) => value * (1 - share) + b[i] * share);
}

// The row of a state in an array over a grid, the last parameter running fastest.
export const rowOf = (indices, sizes) =>
  indices.reduce((row, index, i) => row * sizes[i] + index, 0);
