// What every figure that moves needs: state that follows the model, one drawing a frame,
// keys, dragging by mouse, pen and finger, sliders, a line that is read out. The page's
// theme needs nothing here: all colors are variables of figure.css.

import { html, write } from "./plot.js";

// The frame of a figure. `state` names the traits that say what is shown, `watch` those
// whose change draws anew; `draw(width)` comes at most once a frame of the screen.
export function figure({ model, el }, { kind, state, watch = state, draw }) {
  const root = html("div", { class: `kanlib-figure kanlib-${kind}` }, el);
  write(root, { role: "figure", "aria-label": model.get("alt") });
  root.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab: the keys are ours
  const read = () => Object.fromEntries(state.map((name) => [name, model.get(name)]));
  let width = 0;
  let request = 0; // of the frame that will draw, 0 if none will

  function redraw() {
    request ||= requestAnimationFrame(() => {
      request = 0;
      if (width > 0) draw(width);
    });
  }

  function changed() {
    root.dataset.state = JSON.stringify(read()); // for whoever reads the page by program
    redraw();
  }

  function assign(fields) {
    model.set(fields);
    model.save_changes();
  }

  const observer = new ResizeObserver(() => {
    const now = Math.floor(root.getBoundingClientRect().width);
    if (now === width) return;
    width = now;
    redraw();
  });
  observer.observe(root);
  const events = watch.map((name) => `change:${name}`);
  for (const event of events) model.on(event, changed);
  changed();

  function stop() {
    observer.disconnect();
    cancelAnimationFrame(request);
    for (const event of events) model.off(event, changed);
  }
  return { root, read, assign, redraw, stop };
}

// Whether the reader asked for no motion; asked anew each time, for it may change.
export const motionless = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// Mouse, pen and touch alike: `start(event)` on a press, `move(event)` until the release.
// A finger drags in every direction; where only `sideways` counts, it still scrolls the
// page up and down, and the press waits until it is known to be none of that.
export function draggable(element, { start, move, sideways = false }) {
  let pressed = null;
  let waits = false;
  if (sideways) {
    element.style.touchAction = "pan-y";
  } else {
    // Browsers heed touch-action only on the outermost <svg>, not on what is in it.
    const hold = (event) => event.preventDefault();
    element.addEventListener("touchstart", hold, { passive: false });
  }
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || pressed !== null) return;
    event.preventDefault();
    pressed = event;
    waits = sideways && event.pointerType === "touch";
    element.setPointerCapture(event.pointerId);
    if (!waits) start(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pressed?.pointerId) return;
    const across = Math.abs(event.clientX - pressed.clientX);
    if (waits && across <= Math.abs(event.clientY - pressed.clientY)) return;
    waits = false;
    move(event);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    element.addEventListener(end, (event) => {
      if (event.pointerId !== pressed?.pointerId) return;
      if (waits && end === "pointerup") start(event); // a tap
      pressed = null;
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

export function button(parent, name, text, action) {
  const made = html("button", { type: "button", class: name, text }, parent);
  made.addEventListener("click", action);
  return made;
}

// A native slider with its name. `show(value, text)` writes the text beside it and has the
// slider say it, or say `spoken`.
export function slider(parent, name, { min = 0, max, step = 1 }, set) {
  const label = html("label", { class: "slider" }, parent);
  html("span", { class: "slider-name", text: name }, label);
  const range = { type: "range", min, max, step, "aria-label": name };
  const input = html("input", range, label);
  // The slider says its value itself; read out here, it would be heard twice.
  const output = html("output", { "aria-live": "off" }, label);
  input.addEventListener("input", () => set(Number(input.value)));
  const show = (value, text, spoken = text) => {
    input.value = value;
    write(input, { "aria-valuetext": spoken });
    write(output, { text });
  };
  return { input, show };
}

// A line that says what happened. It is read out, unless `spoken` is false because the
// control in use says it itself.
export function statusLine(parent) {
  const line = html("div", { class: "status", role: "status" }, parent);
  return (text, { spoken = true, ...attributes } = {}) =>
    write(line, { text, "aria-live": spoken ? "polite" : "off", ...attributes });
}
