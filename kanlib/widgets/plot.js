// Drawing: elements, scales, ticks, numbers as text. Units are CSS pixels, so that text
// keeps its size on a phone. Nothing here depends on a library or a kernel.

const SVG = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, parent = null) {
  const element = document.createElementNS(SVG, name);
  return placed(element, attributes, parent);
}

export function html(name, attributes = {}, parent = null) {
  return placed(document.createElement(name), attributes, parent);
}

function placed(element, attributes, parent) {
  write(element, attributes);
  parent?.append(element);
  return element;
}

// Set attributes; `text` is the element's text.
export function write(element, { text, ...attributes }) {
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  if (text !== undefined && element.textContent !== text) element.textContent = text;
  return element;
}

// Keep exactly `count` children in `parent`, made by `make(index)`.
export function keep(parent, count, make) {
  while (parent.children.length < count) parent.append(make(parent.children.length));
  while (parent.children.length > count) parent.lastChild.remove();
  return [...parent.children];
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export const linear = (low, high, from, to) => (value) =>
  from + ((value - low) / (high - low)) * (to - from);

export const logarithmic = (low, high, from, to) => {
  const scale = linear(Math.log10(low), Math.log10(high), from, to);
  return (value) => scale(Math.log10(value));
};

// Round numbers between low and high, about `count` of them.
export function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.9);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

// Powers of ten between low and high, at most `count`; where there are fewer than two,
// also their double and fivefold, and within an octave evenly spaced numbers.
export function logTicks(low, high, count) {
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const inside = (value) => low * 0.9999 <= value && value <= high * 1.0001;
  const powers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const all = powers.filter((power) => inside(10 ** power));
  const stride = Math.ceil(all.length / count);
  if (all.length > 1) {
    return all.filter((power) => power % stride === 0).map((power) => 10 ** power);
  }
  const finer = powers.flatMap((power) => [1, 2, 5].map((m) => m * 10 ** power));
  const found = finer.filter(inside);
  return found.length > 1 ? found : ticks(low, high, count);
}

// 1.5 -> "1.50", -1.5 -> "−1.50" (a true minus sign, no negative zero).
export function decimal(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

// 1.5 -> "1.5", for axes; 0.0001 -> "10⁻⁴" and 300000 -> "3·10⁵", where zeros abound.
export function brief(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) {
    const [head, exponent] = Number(value.toPrecision(6)).toExponential().split("e");
    const factor = head === "1" ? "" : `${head}·`;
    return `${factor}10${raise(exponent.replace("+", ""))}`.replace("-", "−");
  }
  return `${Number(value.toPrecision(6))}`.replace("-", "−");
}

const raise = (digits) =>
  [...digits].map((d) => (d === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[d])).join("");

export const subscript = (index) =>
  [...`${index}`].map((d) => "₀₁₂₃₄₅₆₇₈₉"[d]).join("");

// 2.2e-16 -> "2.2·10⁻¹⁶"
export function scientific(value) {
  if (value === 0) return "0";
  const [head, exponent] = value.toExponential(1).split("e");
  return `${head.replace("-", "−")}·10${raise(exponent.replace("+", ""))}`;
}

// A path through the points; a point that is not finite leaves a gap.
export function polyline(xs, ys) {
  let path = "";
  let pen = "M";
  for (let i = 0; i < xs.length; i++) {
    const there = Number.isFinite(xs[i]) && Number.isFinite(ys[i]);
    if (there) path += `${pen}${xs[i].toFixed(2)},${ys[i].toFixed(2)}`;
    pen = there ? "L" : "M";
  }
  return path;
}
