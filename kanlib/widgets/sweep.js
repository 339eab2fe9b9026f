// Curves for every choice of one to three parameters, each with a slider.

import { figure, slider, statusLine } from "./figure.js";
import { html } from "./plot.js";
import { panelRow } from "./panel.js";
import { rowOf } from "./packed.js";

function render(context) {
  const { model } = context;
  const parameters = model.get("_parameters"); // [{ name, values, texts }]
  const readouts = model.get("_readouts"); // [{ name, texts }], one text a choice
  const sizes = parameters.map(({ values }) => values.length);

  const base = figure(context, { kind: "sweep", state: ["selected"], draw });
  const panels = panelRow(base.root, model.get("_panels"));
  const say = statusLine(base.root);
  const controls = html("div", { class: "controls" }, base.root);
  const sliders = parameters.map(({ name, values }) =>
    slider(controls, name, { max: values.length - 1 }, (i) =>
      base.assign({ selected: { ...model.get("selected"), [name]: values[i] } }),
    ),
  );

  function draw() {
    const selected = model.get("selected");
    const chosen = parameters.map(({ name, values }) => values.indexOf(selected[name]));
    const row = rowOf(chosen, sizes);
    for (const panel of panels) panel.draw(row);
    sliders.forEach(({ show }, p) => show(chosen[p], parameters[p].texts[chosen[p]]));
    say(readouts.map(({ name, texts }) => `${name}: ${texts[row]}`).join(" · "));
  }

  return base.stop;
}

export default { render };
