// Pages of which parts are shown: across datasets, history.
// `words` are the texts and choices of site.js.
"use strict";
window.annharnessParts = (root, words) => {
  const { element, checkboxes, chosenNames, readState, writeState } = words;
  const controls = Object.fromEntries([...root.querySelectorAll("[name]")].map((e) => [e.name, e])), names = Object.keys(controls);
  const box = root.querySelector(".datasets"), datasets = box ? JSON.parse(box.dataset.names) : [];
  const defaults = { ...Object.fromEntries(names.map((name) => [name, controls[name].value])), ...(box ? { only: "" } : {}) };
  let state = readState(defaults);
  function show() {
    for (const name of names) { controls[name].value = state[name]; if (controls[name].selectedIndex < 0) controls[name].value = state[name] = defaults[name]; }
    for (const part of root.querySelectorAll(".level")) part.hidden = part.dataset.level !== state.level;
    for (const row of root.querySelectorAll("[data-family]")) row.hidden = state.family !== "" && row.dataset.family !== state.family;
    if (box) showDatasets();
  }
  // Cells are hidden and counted, as overview.py counts them; none is made up here.
  function showDatasets() {
    const chosen = new Set(state.only === "" ? datasets : chosenNames(state));
    checkboxes(root, `datasets, ${datasets.filter((name) => chosen.has(name)).length} of ${datasets.length}`, datasets, (n) => chosen.has(datasets[n]), [], (only) => { state.only = only; writeState(state, defaults); show(); });
    for (const cell of root.querySelectorAll("[data-dataset]")) cell.hidden = !chosen.has(cell.dataset.dataset);
    for (const body of root.querySelectorAll(".standings tbody")) {
      const rows = [...body.rows].map((row) => {
        const kinds = [...row.querySelectorAll("[data-kind]")].filter((cell) => !cell.hidden).map((cell) => cell.dataset.kind), count = (...wanted) => kinds.filter((kind) => wanted.includes(kind)).length;
        return { row, first: count("best", "equal"), reached: count("best", "equal", "undecided", "slower"), measured: kinds.length - count("absent") };
      });
      const name = ({ row }) => row.dataset.curve;
      rows.sort((a, b) => b.first - a.first || b.reached - a.reached || (name(a) < name(b) ? -1 : 1));
      for (const { row, first, reached, measured } of rows) {
        row.hidden ||= measured === 0;
        row.querySelector(".counts").replaceChildren(`${first} of ${measured}`, ...(reached < measured ? [element("br"), element("span", { className: "faint", textContent: `reaches it in ${reached}` })] : []));
      }
      body.replaceChildren(...rows.map(({ row }) => row));
    }
  }
  show();
  for (const name of names) controls[name].addEventListener("change", () => { state[name] = controls[name].value; writeState(state, defaults); show(); });
  return { redraw: () => {}, reread: () => { state = readState(defaults); show(); } };
};
