// The page that compares algorithms with one of them.
// `words` are the texts, choices and looks of site.js.
"use strict";
window.annharnessComparing = (root, words) => {
  const { element, cut, label, wrapped, swatch, colourOf, frame, axis, arm, checkboxes, chosenOf, readState, writeState, CHART, LONGEST_BAR } = words;
  const COMPARED = { group: "0", base: "", only: "" };
  const groups = window.annharness.compare, controls = Object.fromEntries([...root.querySelectorAll("[name]")].map((e) => [e.name, e]));
  const chart = root.querySelector(".chart"), count = root.querySelector(".count"), FIRST = 8;
  let state = readState(COMPARED);
  const current = () => groups[Number(state.group)] || groups[0];
  const baseOf = (group) => Math.max(group.curves.indexOf(state.base), 0);
  const shownOf = (group) => { const names = chosenOf(state.only, group.curves).chosen || new Set(group.curves.slice(0, FIRST)); return group.curves.map((_, n) => n).filter((n) => names.has(group.curves[n])); };
  // Ratios, intervals and verdicts come in words: none is made up here.
  const comparison = (group, base, curve, level) => {
    const number = (group.pairs[`${base},${curve}`] || [])[level] ?? null;
    if (number === null) return null;
    const [text, words, verdict, confidence, speeds, ratio, low, high] = group.cells[number];
    return { text, words, verdict, confidence, speeds, ratio, low, high };
  };
  function show() {
    if (!groups.length) { count.textContent = "Nothing was measured that could be compared."; return; }
    const group = current(), base = baseOf(group), shown = shownOf(group).filter((n) => n !== base);
    controls.group.value = String(groups.indexOf(group));
    root.querySelector(".conditions").textContent = group.conditions;
    controls.base.replaceChildren(...group.curves.map((name, n) => element("option", { value: name, textContent: cut(name, 80) + group.marks[n] })));
    controls.base.selectedIndex = base;
    checkboxes(root, `algorithms, ${shownOf(group).length} of ${group.curves.length}`, group.curves, (n) => shownOf(group).includes(n), [], chosenOf(state.only, group.curves).unknown, (only) => { state.only = only; changed(); });
    const left = group.left_out ? ` ${group.left_out} less competitive ones are left out.` : "";
    const found = shown.map((n) => group.levels.map((_, level) => comparison(group, base, n, level)));
    // The counts are those of the cells of the table, all of them.
    const cells = found.flat(), numbers = ["faster", "slower", "equal", "undecided"].map((v) => `${cells.filter((one) => one && one.verdict === v).length} ${v}`);
    const absent = cells.filter((one) => !one).length;
    count.textContent = `${cells.length} comparisons with ${cut(group.curves[base], 80)} (${shown.length} algorithms, ${group.levels.length} recalls): ${numbers.join(", ")}${absent ? `, ${absent} not reached by both` : ""}.${left}`;
    const head = (text, className) => element("th", { scope: "col", textContent: text, className: className || "" });
    root.querySelector("thead tr").replaceChildren(head("algorithm"), ...group.levels.map((level) => head(`recall ${level}`)));
    root.querySelector("tbody").replaceChildren(...shown.map((n, row) => element("tr", {}, element("th", { scope: "row", className: "name", textContent: group.curves[n] + group.marks[n] }), ...found[row].map(cell))));
    root.querySelector(".notes").textContent = group.notes.join(". ");
    draw(group, shown, found);
  }
  function cell(one) {
    if (!one) return element("td", { className: "faint", textContent: "not reached by both" });
    const [ratio, ...interval] = one.text.split(" "), made = element("td", {}, element("strong", { textContent: ratio }), ` ${interval.join(" ")} `, element("span", { className: one.verdict, textContent: one.words }));
    made.title = `${one.confidence} interval; ${one.speeds}`;
    return made;
  }
  function draw(group, shown, found) {
    if (!window.Plotly) return;
    const style = getComputedStyle(document.documentElement), ink = style.getPropertyValue("--ink"), looks = group.styles;
    root.querySelector(".legend").replaceChildren(...group.levels.map((level, l) => element("span", {}, swatch(looks[l], false), `recall ${level}`)));
    const ratios = found.flat().filter(Boolean).map((one) => Math.max(one.ratio, 1e-9)), lowest = Math.log10(Math.min(0.67, ...ratios)), highest = Math.log10(Math.max(1.5, ...ratios)), room = 0.08 * (highest - lowest);
    const most = LONGEST_BAR * (highest - lowest) * Math.LN10;
    const traces = group.levels.map((level, l) => {
      const rows = shown.map((_, row) => row).filter((row) => found[row][l]), of = (name) => rows.map((row) => found[row][l][name]), step = 0.8 / group.levels.length;
      const arms = (name, side) => rows.map((row) => arm(found[row][l].ratio, found[row][l][name], side, "log", most));
      return { type: "scatter", mode: "markers", name: `recall ${level}`, x: of("ratio"), y: rows.map((row) => row + (l - (group.levels.length - 1) / 2) * step),
        error_x: { type: "data", symmetric: false, array: arms("high", 1), arrayminus: arms("low", -1), thickness: 1, width: 0 }, marker: { color: colourOf(looks[l]), symbol: looks[l].symbol, size: 8 },
        text: rows.map((row) => [wrapped(group.curves[shown[row]]), `recall ${level}: ${found[row][l].text}, ${found[row][l].words}`].join("<br>")), hoverinfo: "text" };
    });
    const layout = { ...frame(style),
      xaxis: { ...axis({ title: "ratio of QPS", more: true, unit: "" }, "log", 0, ratios.concat(1)), range: [lowest - room, highest + room] },
      yaxis: { tickmode: "array", tickvals: shown.map((_, row) => row), ticktext: shown.map((n) => label(cut(group.curves[n], 26))), range: [shown.length - 0.5, -0.5], automargin: true, gridcolor: style.getPropertyValue("--grid"), zeroline: false },
      shapes: [{ type: "line", yref: "paper", x0: 1, x1: 1, y0: 0, y1: 1, line: { color: ink, width: 1, dash: "dot" } }] };
    chart.style.height = `${Math.max(16, 6 + 2.6 * shown.length)}rem`;
    window.Plotly.react(chart, traces, layout, CHART);
  }
  function changed() { writeState(state, COMPARED); show(); }
  controls.group.replaceChildren(...groups.map((s, n) => element("option", { value: String(n), textContent: `${cut(s.dataset, 60)} · ${s.brief}` })));
  controls.group.addEventListener("change", () => { state = { ...state, group: controls.group.value, only: "" }; changed(); });
  controls.base.addEventListener("change", () => { state.base = controls.base.value; changed(); });
  show();
  return { redraw: show, reread: () => { state = readState(COMPARED); show(); } };
};
