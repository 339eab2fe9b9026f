// Four launches of a backward pass that sums ten gradients a group: the counts, and what
// of them a picture has room for. Pure functions, as in launch_picture.py.

const SUMS = 10; // coefficients of a group
const BLOCK = 256; // elements of a block
const BYTES = 4; // of a number

// For each launch: atomics in all, how many one address receives, and the bytes beyond
// those that the pass must move.
export function launchCounts({ rows, channels, groups, tile_rows }) {
  const elements = rows * channels;
  const blocks = Math.ceil(elements / BLOCK);
  const tiles = Math.ceil(rows / tile_rows);
  const moved = 2 * BYTES * SUMS;
  const counted = (programs, queue) => ({
    atomics: SUMS * programs,
    queue,
    extra: moved * programs,
  });
  return {
    element: counted(elements, elements / groups),
    block: counted(groups * blocks, blocks),
    tile: counted(groups * tiles, tiles),
    partials: { atomics: 0, queue: 0, extra: moved * groups * tiles },
  };
}

// Operations per byte, all bytes counted.
export function launchIntensity({ rows, channels, flops }, extra) {
  const elements = rows * channels;
  return (flops * elements) / (3 * BYTES * elements + extra);
}

// Operations a second that a device can reach at this intensity.
export const attainable = ({ peak, bandwidth }, intensity) =>
  Math.min(peak, bandwidth * intensity);

// The arrows of one group that fit into `room`: how many, and what each stands for.
export function arrows(queue, room) {
  const drawn = Math.min(queue, Math.max(1, Math.floor(room)));
  return { drawn, each: drawn === 0 ? 0 : queue / drawn };
}

// 3152 -> "3,152"; from a million on two digits: "1.9·10⁷".
export function plainCount(value) {
  if (value < 1e6)
    return Math.round(value)
      .toString()
      .replace(/\B(?=(\d{3})+$)/g, ",");
  const [head, exponent] = value.toExponential(1).split("e+");
  const raised = [...exponent].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("");
  return `${head}·10${raised}`;
}
