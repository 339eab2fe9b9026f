import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { draggable, figure, keys, motionless } from "../../../kanlib/widgets/figure.js";

// Of a browser, only what the frame of a figure touches.
class Element extends EventTarget {
  children = [];
  dataset = {};
  style = {};
  attributes = {};
  captured = [];
  setAttribute(name, value) {
    this.attributes[name] = value;
  }
  append(child) {
    this.children.push(child);
  }
  getBoundingClientRect() {
    return { width: 400.7 };
  }
  setPointerCapture(id) {
    this.captured.push(id);
  }
}

class Model {
  handlers = new Map();
  constructor(state) {
    this.state = state;
  }
  get = (name) => this.state[name];
  set(fields) {
    Object.assign(this.state, fields);
    for (const name of Object.keys(fields)) this.handlers.get(`change:${name}`)?.();
  }
  save_changes() {
    this.saved = { ...this.state };
  }
  on = (event, handler) => this.handlers.set(event, handler);
  off = (event) => this.handlers.delete(event);
}

let frames; // callbacks that wait for the next frame of the screen
let resized;
const nextFrame = () => frames.splice(0).forEach((callback) => callback?.(0));

beforeEach(() => {
  frames = [];
  globalThis.document = { createElement: () => new Element() };
  globalThis.requestAnimationFrame = (callback) => frames.push(callback);
  globalThis.cancelAnimationFrame = (id) => delete frames[id - 1];
  globalThis.ResizeObserver = class {
    constructor(callback) {
      resized = callback;
    }
    observe() {}
    disconnect() {
      resized = null;
    }
  };
});

function made() {
  const model = new Model({ alt: "a figure", a: 1, b: 2, c: 3 });
  const drawn = [];
  const options = { kind: "test", state: ["a", "b"], watch: ["a", "b", "c"] };
  const draw = (width) => drawn.push([width, model.get("a")]);
  const base = figure({ model, el: new Element() }, { ...options, draw });
  return { model, drawn, ...base };
}

test("a figure is drawn when its width is known, and once a frame", () => {
  const { drawn, assign, redraw } = made();
  nextFrame();
  assert.deepEqual(drawn, []);
  resized();
  nextFrame();
  assign({ a: 5, b: 6 });
  assign({ a: 7 });
  redraw();
  assert.equal(drawn.length, 1);
  nextFrame();
  assert.deepEqual(drawn, [
    [400, 1],
    [400, 7],
  ]);
  resized(); // the same width
  nextFrame();
  assert.equal(drawn.length, 2);
});

test("the state goes to the model, and to the page at once", () => {
  const { model, root, assign } = made();
  assert.equal(root.dataset.state, '{"a":1,"b":2}');
  assign({ b: 9 });
  assert.equal(root.dataset.state, '{"a":1,"b":9}');
  assert.equal(model.saved.b, 9);
  assert.equal(root.attributes.role, "figure");
  assert.equal(root.attributes["aria-label"], "a figure");
});

test("after the end nothing is drawn and nobody listens", () => {
  const { model, drawn, redraw, stop } = made();
  resized();
  redraw();
  stop();
  nextFrame();
  assert.deepEqual(drawn, []);
  assert.equal(resized, null);
  assert.equal(model.handlers.size, 0);
});

const press = (type, fields) =>
  Object.assign(new Event(type, { cancelable: true }), { button: 0, ...fields });

test("a drag follows one pointer from press to release", () => {
  const element = new Element();
  const seen = [];
  draggable(element, {
    start: (event) => seen.push(["start", event.pointerId]),
    move: (event) => seen.push(["move", event.pointerId]),
  });
  const send = (type, pointerId, button = 0) =>
    element.dispatchEvent(press(type, { pointerId, button }));
  send("pointermove", 1);
  send("pointerdown", 1, 2); // the right button
  send("pointerdown", 1);
  send("pointerdown", 2); // a second finger
  send("pointermove", 2);
  send("pointermove", 1);
  send("pointercancel", 1);
  send("pointermove", 1);
  assert.deepEqual(seen, [
    ["start", 1],
    ["move", 1],
  ]);
  assert.deepEqual(element.captured, [1]);
});

test("a finger on a handle does not scroll the page; sideways, it may", () => {
  const [handle, line] = [new Element(), new Element()];
  draggable(handle, { start() {}, move() {} });
  draggable(line, { start() {}, move() {}, sideways: true });
  assert.equal(handle.dispatchEvent(press("touchstart")), false);
  assert.equal(line.dispatchEvent(press("touchstart")), true);
  assert.equal(line.style.touchAction, "pan-y");
});

test("sideways, a finger acts when it taps or goes across, not when it scrolls", () => {
  const element = new Element();
  const seen = [];
  const note = (event) => seen.push([event.type, event.clientX]);
  draggable(element, { start: note, move: note, sideways: true });
  const touch = { pointerId: 1, pointerType: "touch" };
  const send = (type, clientX, clientY) =>
    element.dispatchEvent(press(type, { ...touch, clientX, clientY }));
  send("pointerdown", 50, 50);
  send("pointermove", 52, 60);
  send("pointercancel", 0, 0);
  assert.deepEqual(seen, []);
  send("pointerdown", 50, 50);
  send("pointerup", 50, 50);
  assert.deepEqual(seen.splice(0), [["pointerup", 50]]);
  send("pointerdown", 50, 50);
  send("pointermove", 60, 52);
  send("pointermove", 51, 90); // once it winds, it winds
  send("pointerup", 51, 90);
  assert.deepEqual(seen, [
    ["pointermove", 60],
    ["pointermove", 51],
  ]);
});

test("keys act and are kept from the page, with a modifier they are the browser's", () => {
  const element = new Element();
  let count = 0;
  keys(element, { Home: () => count++ });
  const send = (fields) => element.dispatchEvent(press("keydown", fields));
  assert.equal(send({ key: "Home" }), false);
  assert.equal(send({ key: "Home", ctrlKey: true }), true);
  assert.equal(send({ key: "a" }), true);
  assert.equal(count, 1);
});

test("the reader's wish for no motion is asked each time", () => {
  let matches = true;
  globalThis.matchMedia = (query) => ({ matches: matches && /reduce/.test(query) });
  assert.equal(motionless(), true);
  matches = false;
  assert.equal(motionless(), false);
});
