// Pages of which parts are shown: across datasets, history.
// `words` are the texts and choices of site.js.
"use strict";
window.annharnessParts = (root, words) => {
  const { historyZoom } = window.annharnessParts;
  const { digits, at, shown } = window.annharnessStandings;
  const { element, checkboxes, chosenOf, readState, writeState, valueOf, fillControls, fitsMemory } = words;
  const showStates = window.annharnessStates(root, words); // fills its controls
  const controls = Object.fromEntries([...root.querySelectorAll("[name]")].map((e) => [e.name, e])), names = Object.keys(controls);
  const box = root.querySelector(".datasets"), datasets = box ? JSON.parse(box.dataset.names) : [];
  const defaults = { ...Object.fromEntries(names.map((name) => [name, controls[name].value])), ...(box ? { only: "" } : {}) };
  const zoom = controls.from ? historyZoom(root) : null, slider = root.querySelector(".recall"), tracks = slider ? window.annharness.across : [];
  const recalls = [...new Set(tracks.flatMap((track) => track.rankings.flatMap((one) => one.levels)))].sort((a, b) => a - b);
  let state = null;
  function reread() {
    state = readState(defaults);
    if (zoom) { state.from = asEnd(state.from, "T00:00"); state.to = asEnd(state.to, "T23:59"); }
    fillControls(controls, names, state, defaults);
    show();
  }
  // Histories with several states of a day are limited by minutes, others by days; an address may be that of either.
  const asEnd = (text, time) => (controls.from.type === "date" ? text.slice(0, 10) : text.length === 10 ? text + time : text);
  function show() {
    if (slider) showRecall(Number(state.level === "" ? defaults.level : state.level));
    for (const row of root.querySelectorAll("[data-family]")) row.hidden = state.family !== "" && row.dataset.family !== state.family;
    if (slider) showDatasets();
    showStates(state);
    if (zoom) { limitHistories(); zoom(state.from, state.to); countHistories(); }
  }
  // By the controls of the page of a dataset; the memory is that of a point's newest state, the library that of any.
  function limitHistories() {
    for (const one of root.querySelectorAll("article")) {
      const { group, libraries, n, bytes } = one.dataset;
      one.hidden ||= (state.group !== "" && group !== state.group) || (state.library !== "" && !JSON.parse(libraries).includes(state.library)) || !fitsMemory(state, Number(n), bytes === "" ? null : Number(bytes));
    }
  }
  function countHistories() {
    const articles = [...root.querySelectorAll("article")], isLimited = ["group", "library", "memory", "family", "from", "to"].some((name) => state[name] !== "");
    root.querySelector(".count").textContent = isLimited ? `${articles.filter((one) => !one.hidden).length} of ${articles.length} points.` : "";
  }
  // The first of the written tables is filled anew for any recall; the others are for readers without scripts.
  function showRecall(asked) {
    const [first, ...others] = root.querySelectorAll(".level");
    for (const part of others) part.hidden = true;
    if (!first) return;
    const step = recalls.findIndex((one) => one >= asked), tables = first.querySelectorAll("table");
    Object.assign(slider, { max: String(recalls.length - 1), value: String(step < 0 ? recalls.length - 1 : step) });
    slider.setAttribute("aria-valuetext", `recall ${digits(asked)}`);
    first.dataset.level = first.querySelector("output").textContent = digits(asked);
    tracks.forEach(({ curves, rankings }, t) => rankings.forEach((ranking, column) => {
      const { order, level } = at(ranking, asked), cells = new Map(order.map(([n, cell]) => [curves[n], ranking.cells[cell]]));
      const head = tables[t].tHead.rows[0].cells[column + 2].querySelector(".told");
      head.hidden = level === Number(digits(asked));
      head.textContent = `at recall ${digits(level)}`;
      for (const row of tables[t].tBodies[0].rows) {
        const cell = row.cells[column + 2], stands = cells.get(row.dataset.curve);
        if (!stands) continue; // not measured, at any recall
        cell.dataset.kind = stands[0];
        cell.replaceChildren(shown(stands, element));
      }
    }));
  }
  // Cells are hidden and counted, as overview.py counts them; none is made up here.
  function showDatasets() {
    const found = box ? chosenOf(state.only, datasets) : {}, chosen = found.chosen || new Set(datasets);
    if (box) checkboxes(root, `datasets, ${datasets.filter((name) => chosen.has(name)).length} of ${datasets.length}`, datasets, (n) => chosen.has(datasets[n]), [], found.unknown, (only) => { state.only = only; writeState(state, defaults); show(); });
    for (const cell of root.querySelectorAll("[data-dataset]")) cell.hidden = box !== null && !chosen.has(cell.dataset.dataset);
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
  reread();
  for (const name of names) controls[name].addEventListener(controls[name].type === "number" ? "input" : "change", () => { state[name] = valueOf(controls[name]); writeState(state, defaults); show(); });
  slider?.addEventListener("input", () => { controls.level.value = state.level = digits(recalls[Number(slider.value)]); writeState(state, defaults); show(); });
  root.querySelector(".whole")?.addEventListener("click", () => { controls.from.value = controls.to.value = state.from = state.to = ""; writeState(state, defaults); show(); });
  return { redraw: () => {}, reread };
};

// The states of a history from one day or minute to another, both included. Pictures are drawn wider, from pixels that history_picture drew: heights, steps and
// ratios stay as they are.
window.annharnessParts.historyZoom = (root) => {
  const numbers = (text) => text.match(/-?[\d.]+/g).map(Number);
  const read = (article) => {
    const picture = article.querySelector(".picture"), marks = [...picture.querySelectorAll(".curve polygon")], line = picture.querySelector(".curve > polyline");
    const places = marks.map((one) => numbers(one.getAttribute("transform"))), uprights = [...picture.querySelectorAll(".step, .interval-bar")];
    const rows = [...article.querySelectorAll("tbody tr")].reverse(), title = picture.querySelector(".title:not([transform])");
    return { article, marks, line, places, uprights: uprights.map((one) => ({ one, x: Number(one.getAttribute("x1")) })), rows, times: rows.map((row) => row.dataset.when), moments: rows.map((row) => row.cells[0].textContent),
      ticks: [...picture.querySelectorAll('.tick[text-anchor="middle"]')], title, changes: [...article.querySelectorAll(".change")], whole: article.querySelector(".of-all") };
  };
  const articles = [...root.querySelectorAll("article")].map(read), told = root.querySelector(".zoomed");

  function draw({ marks, line, places, uprights, ticks, title, moments }, first, last) {
    const start = places[0][0], end = places[places.length - 1][0], from = places[first][0], to = places[last][0];
    const across = (x) => (first === last ? start : start + ((x - from) / (to - from)) * (end - start)).toFixed(1), isShown = (x) => x >= from - 0.1 && x <= to + 0.1;
    marks.forEach((one, i) => { one.style.display = i < first || i > last ? "none" : ""; one.setAttribute("transform", `translate(${across(places[i][0])} ${places[i][1]})`); });
    line.setAttribute("points", places.slice(first, last + 1).map(([x, y]) => `${across(x)},${y}`).join(" "));
    for (const { one, x } of uprights) { one.style.display = isShown(x) ? "" : "none"; for (const name of ["x1", "x2"]) one.setAttribute(name, across(x)); }
    ticks[0].textContent = moments[first]; ticks[1].textContent = first === last ? "" : moments[last];
    title.textContent = last - first + 1 === moments.length ? `${moments.length} states` : `${last - first + 1} of ${moments.length} states`;
  }
  return (from, to) => {
    const isWhole = from === "" && to === "", isIn = (when) => isWhole || (when !== "unknown" && when.slice(0, from.length) >= from && (to === "" || when.slice(0, to.length) <= to));
    for (const one of articles) {
      const first = one.times.findIndex(isIn), last = one.times.findLastIndex(isIn);
      one.article.hidden ||= first < 0;
      one.whole.hidden = isWhole;
      for (const part of [...one.rows, ...one.changes]) part.hidden = !isIn(part.dataset.when);
      if (first < 0) continue;
      draw(one, first, last);
    }
    told.textContent = isWhole ? "" : "Scales, steps and ratios are those of all states.";
    for (const group of root.querySelectorAll(".histories")) group.hidden = group.previousElementSibling.hidden = !group.querySelector("article:not([hidden])");
  };
};
