// Small helpers for figures drawn in SVG. Units are CSS pixels, so that text keeps its size
// on a phone. Nothing here depends on a library or a kernel.

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

// Round numbers between low and high, about `count` of them.
export function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

// 1.5 -> "1.50", -1.5 -> "−1.50" (a true minus sign, no negative zero).
export function decimal(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

// 1.5 -> "1.5", for axes.
export const brief = (value) => `${Number(value.toPrecision(6))}`.replace("-", "−");

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

export function polyline(xs, ys) {
  return xs
    .map((x, i) => `${i ? "L" : "M"}${x.toFixed(2)},${ys[i].toFixed(2)}`)
    .join("");
}

// Call `draw(width)` now and whenever the element's width changes; returns the way to stop.
export function watchWidth(element, draw) {
  let last = 0;
  const observer = new ResizeObserver(() => {
    const width = Math.floor(element.getBoundingClientRect().width);
    if (width > 0 && width !== last) draw((last = width));
  });
  observer.observe(element);
  return () => observer.disconnect();
}

// Mouse, pen and touch alike: `move(event)` from press to release, `done()` at the end.
export function draggable(element, { start, move, done }) {
  let pressed = null;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || pressed !== null) return;
    event.preventDefault();
    pressed = event.pointerId;
    element.setPointerCapture(pressed);
    start(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (event.pointerId === pressed) move(event);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    element.addEventListener(end, (event) => {
      if (event.pointerId !== pressed) return;
      pressed = null;
      done();
    });
  }
}

// Run actions[key]() for the keys it names, and keep the page from using them too.
export function keys(element, actions) {
  element.addEventListener("keydown", (event) => {
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
}
