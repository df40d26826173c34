// How curves stand at any recall: shared by the order of the page of a dataset and the page across datasets.
"use strict";
window.annharnessStandings = {
  digits: (level) => String(Number(level.toFixed(4))), // of the steps of harness.report.analysis.standings
  // Standings between two stored recalls are those of the higher one, those beyond all of them come last; `level` is the recall that is told.
  at({ levels, orders, is_exact }, asked) {
    const level = Number(window.annharnessStandings.digits(asked)), step = levels.findIndex((one) => one >= level);
    return { step, order: orders[step < 0 ? levels.length : step], level: step < 0 || is_exact ? level : levels[step] };
  },
  // As the macro `standing` of the templates.
  shown([kind, figure, interval, verdict, title, size], element) {
    const made = element("span", { className: `standing ${kind}`, title }, element("b", { textContent: figure }));
    for (const text of [interval, verdict].filter(Boolean)) made.append(" ", element("small", { textContent: text }));
    made.style.setProperty("--share", size);
    return made;
  },
};

// All curves in the order of their speed at a recall, which is pointed at in the chart or chosen below it.
// `words` are the texts and choices of site.js, so that both state the same.
window.annharnessRanking = (root, words) => {
  const { element, human, share, bounds, swatch, choose, fitting, qpsBounds, cut, project, unproject } = words;
  const section = root.querySelector(".ranking"), slider = section.querySelector("input"), output = section.querySelector("output");
  const chart = root.querySelector(".chart"), line = root.querySelector(".level-line");
  const CLICK = 4; // pixels that a pointer may move in a click
  let group = null, axis = null, kept = 0, shown = null, waiting = false, keep = () => {};

  const { digits, at, shown: standing } = window.annharnessStandings;
  function render(asked) {
    const { step, order, level } = at(group.ranking, asked), p = group.points;
    if (shown === level) return;
    shown = level;
    output.textContent = digits(level);
    slider.value = String(step < 0 ? group.ranking.levels.length - 1 : step);
    slider.setAttribute("aria-valuetext", `recall ${digits(level)}`);
    const state = { floor: String(level), memory: "", per: "vector", family: "", library: "" }, found = fitting(group, state);
    const byCurve = new Map();
    if (found.sure) for (const i of found.rows) byCurve.set(p.curve[i], [...(byCurve.get(p.curve[i]) || []), i]);
    const best = choose(group, found.rows);
    section.querySelector(".none").textContent = step < 0 ? "No point reaches this recall." : "";
    let place = 0;
    section.querySelector("tbody").replaceChildren(...order.map(([curve, number]) => {
      const stands = group.ranking.cells[number], [kind] = stands, rows = byCurve.get(curve);
      const chosen = !rows ? null : kind === "best" ? best : choose(group, rows), i = chosen ? chosen.best : -1;
      const cell = (text, className, extra = "") => element("td", { className }, text, ...(extra ? [" ", element("span", { className: "faint interval", textContent: extra })] : []));
      return element("tr", {}, cell(chosen ? String(++place) : "", "number"),
        element("th", { scope: "row" }, swatch(group.curves[curve]), " ", element("span", { className: "name", textContent: cut(group.curves[curve].name, 120) })),
        element("td", {}, standing(stands, element)),
        chosen ? cell(human(p.qps[i] / chosen.luck, "/s"), "strong", qpsBounds(p, i, chosen.luck).replace(p.unknown, "unknown")) : cell("", ""),
        chosen ? cell(share(p.held_out_recall[i]) + p.recall_mark[i], "", bounds(p.held_out_recall_low[i], p.held_out_recall_high[i], share)) : cell("", ""),
        cell(chosen ? p.parameters[i] : "", "words"));
    }));
  }
  // The line of the recall, where an axis of the chart shows recall.
  function mark(level) {
    const full = axis && chart._fullLayout, at = full ? full.xaxis.d2p(project(level, axis.scale)) : NaN;
    line.hidden = !(at >= 0 && at <= full.xaxis._length);
    if (line.hidden) return;
    Object.assign(line.style, { left: `${full.xaxis._offset + at}px`, top: `${full._size.t}px`, height: `${full._size.h}px` });
    line.textContent = digits(level);
    line.classList.toggle("left", at > full.xaxis._length / 2);
  }
  const go = (level) => { render(level); mark(shown); };
  // The recall under the pointer; null where there is none.
  const pointed = (event) => {
    const full = axis && group && !section.hidden && chart._fullLayout;
    if (!full) return null;
    const box = chart.getBoundingClientRect(), x = event.clientX - box.left - full.xaxis._offset, y = event.clientY - box.top - full._size.t;
    if (x < 0 || x > full.xaxis._length || y < 0 || y > full._size.h) return null;
    return Math.min(Math.max(Number(unproject(full.xaxis.p2d(x), axis.scale).toFixed(4)), 0), 1);
  };
  let last = null, pressed = null;
  const follow = () => { waiting = false; if (group && !section.hidden) go(last ?? kept); };
  const later = (level) => { last = level; if (!waiting) { waiting = true; requestAnimationFrame(follow); } };
  root.querySelector(".chart-frame").addEventListener("pointermove", (event) => { if (event.pointerType === "mouse" && !event.buttons) later(pointed(event)); });
  root.querySelector(".chart-frame").addEventListener("pointerleave", () => later(null));
  chart.addEventListener("pointerdown", (event) => { pressed = [event.clientX, event.clientY]; }, true);
  window.addEventListener("pointerup", (event) => {
    const from = pressed; pressed = null;
    const level = from && Math.hypot(event.clientX - from[0], event.clientY - from[1]) < CLICK ? pointed(event) : null;
    if (level !== null) keep(String(level));
  }, true);
  slider.addEventListener("input", () => keep(digits(group.ranking.levels[Number(slider.value)])));

  return {
    // `level` is the recall that is kept; `isLimited` says that only some points may be chosen.
    show(of, level, isLimited, whenKept) {
      group = of; kept = level; keep = whenKept; shown = null; last = null;
      const known = group.ranking.levels.length > 0;
      section.hidden = !known;
      section.querySelector(".limited").hidden = !isLimited;
      section.querySelector(".ranked").hidden = isLimited;
      if (isLimited || !known) { axis = null; line.hidden = true; group = known && !isLimited ? group : null; return; }
      slider.max = String(group.ranking.levels.length - 1);
      section.querySelector(".notes").textContent = group.ranking.notes.map((note) => `${note}. `).join("");
      go(level);
    },
    // After the chart is drawn: `scale` is that of an axis of recall across, null if there is none.
    drawn(scale) { axis = scale === null ? null : { scale }; if (group && shown !== null) mark(shown); else line.hidden = true; },
  };
};
