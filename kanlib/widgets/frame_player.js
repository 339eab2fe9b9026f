// A film of curves: a slider over the frames, and play. It never starts by itself.

import { button, figure, keys, motionless, slider, statusLine } from "./figure.js";
import { clamp, html, write } from "./plot.js";
import { panelRow } from "./panel.js";
import { timelineIn } from "./timeline.js";

const LONGEST_TICK = 100; // ms; a page that was hidden goes on where it was

// Where a film is `ms` later; it lasts `seconds` from the first frame to the last. The
// screen's time may lie a little before that of the click which started the film.
export const advanced = (position, ms, seconds, last) =>
  Math.min(position + ((clamp(ms, 0, LONGEST_TICK) / 1000) * last) / seconds, last);

function render(context) {
  const { model } = context;
  const labels = model.get("_labels");
  const last = labels.length - 1;
  let position = model.get("frame"); // a whole number, except while it plays
  let playing = 0; // the waiting frame of the screen
  let before = 0; // the time of the one before

  const base = figure(context, { kind: "frame-player", state: ["frame"], draw });
  const { root } = base;
  const panels = panelRow(root, model.get("_panels"));
  const run = model.get("_timeline");
  const timeline = run.points ? timelineIn(root, run, go) : null;
  const say = statusLine(root);
  const controls = html("div", { class: "controls" }, root);
  const play = button(controls, "play", "Play", () => (playing ? pause() : start()));
  const back = button(controls, "back", "‹", () => go(model.get("frame") - 1));
  const next = button(controls, "next", "›", () => go(model.get("frame") + 1));
  write(back, { "aria-label": "one frame back" });
  write(next, { "aria-label": "one frame on" });
  const frames = slider(controls, "frame", { max: last }, go);
  keys(frames.input, { " ": () => play.click() });

  function go(frame) {
    pause();
    base.assign({ frame: clamp(frame, 0, last) });
  }

  function start() {
    if (last === 0) return;
    position = model.get("frame") === last ? 0 : model.get("frame");
    base.assign({ frame: position });
    write(play, { text: "Pause" });
    before = performance.now();
    playing = requestAnimationFrame(tick);
  }

  function tick(now) {
    position = advanced(position, now - before, model.get("_seconds"), last);
    before = now;
    playing = requestAnimationFrame(tick);
    const frame = Math.floor(position);
    if (frame !== model.get("frame")) base.assign({ frame });
    if (position === last) pause();
    if (!motionless()) base.redraw();
  }

  function pause() {
    if (!playing) return;
    cancelAnimationFrame(playing);
    playing = 0;
    write(play, { text: "Play" });
    base.redraw();
  }

  function draw() {
    const frame = model.get("frame");
    // Whoever moves the film from outside, from Python for one, stops it.
    if (playing && frame !== Math.floor(position)) pause();
    if (!playing || motionless()) {
      if (!playing) position = frame;
      show(frame, frame);
    } else {
      show(position, frame);
    }
  }

  function show(at, frame) {
    for (const panel of panels) panel.draw(at);
    timeline?.draw(at);
    frames.show(frame, `${frame + 1} of ${last + 1}`, labels[frame]);
    back.disabled = frame === 0;
    next.disabled = frame === last;
    say(labels[frame], { spoken: false });
  }

  return () => {
    pause();
    base.stop();
  };
}

export default { render };
