// Charts and tables of the pages: reads window.annharness.data, keeps its state in the URL.
"use strict";
(() => {
  const site = window.annharness;
  const MOST_ROWS = 300;
  const ERROR_FLOOR = 1e-3;
  const SHARES = [0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1];
  const USUAL_FLOOR = "0.9";
  const DEFAULTS = { group: "0", floor: "", memory: "", per: "vector", family: "", library: "", x: "recall", xs: "auto", y: "qps", ys: "auto", all: "", only: "", at: "" };

  // ---- words -------------------------------------------------------------------------------
  const short = (value) => {
    const text = String(Number(value.toPrecision(3)));
    return text.includes("e") ? value.toFixed(0) : text;
  };
  const human = (value, unit) => {
    if (value === null || value === undefined) return "n/a";
    if (unit === "s" || unit === "ms") {
      const seconds = unit === "s" ? value : value / 1e3;
      for (const [factor, name] of [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]])
        if (Math.abs(seconds) >= 0.9995 * factor) return short(seconds / factor) + " " + name;
      return seconds ? short(seconds * 1e9) + " ns" : "0 s";
    }
    const spaced = unit === "B" || unit === "bit";
    for (const [factor, prefix] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]])
      if (Math.abs(value) >= 0.9995 * factor) return short(value / factor) + (spaced ? ` ${prefix}${unit}` : prefix);
    return short(value) + (spaced ? ` ${unit}` : "");
  };
  // A size that was measured, not computed, is marked: as size_text in harness/report/texts.py.
  const sizeMark = (p, i) => p.size_marks[p.size_scope[i]];
  const sizeText = (p, i) => (sizeMark(p, i)[0] || "") + human((p.bytes_per_vector || [])[i]) + (sizeMark(p, i)[1] || "");
  const share = (value) => (value === null || value === undefined ? "n/a" : value.toFixed(4));
  const qpsBounds = (p, i, luck = 1) => {
    const low = (p.qps_low || [])[i] ?? null, high = (p.qps_high || [])[i] ?? null;
    return low === null || high === null ? p.unknown : `${human(low / luck, "/s")} to ${human(high / luck, "/s")}${p.mark[i]}`;
  };
  const bounds = (low, high, words) => (low === null || low === undefined || high === null || high === undefined ? "" : `${words(low)} to ${words(high)}`);
  // Plotly reads a little HTML in its texts; isolated, right-to-left names turn nothing else round.
  const label = (text) => "\u2068" + String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;") + "\u2069";
  const cut = (text, longest) => (text.length > longest ? text.slice(0, longest - 1) + "…" : text);
  const wrapped = (text) => (cut(text, 300).match(/.{1,60}/gsu) || [""]).map(label).join("<br>");
  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  // ---- state in the URL --------------------------------------------------------------------
  const hashParts = () => {
    let text = location.hash.slice(1);
    try { text = decodeURI(text); } catch { /* an address that was cut within a character */ }
    const cutAt = text.indexOf("?");
    return cutAt < 0 ? [text, ""] : [text.slice(0, cutAt), text.slice(cutAt + 1)];
  };
  const readState = (defaults) => {
    try {
      const found = new URLSearchParams(location.hash.split("?")[1] || "");
      return Object.fromEntries(Object.entries(defaults).map(([name, usual]) => [name, found.get(name) ?? usual]));
    } catch { return { ...defaults }; }
  };
  const writeState = (state, defaults) => {
    const kept = Object.entries(state).filter(([name, value]) => value !== defaults[name]);
    const query = new URLSearchParams(kept).toString();
    const page = site.single ? location.hash.slice(1).split("?")[0] : "";
    const hash = query || page ? `#${page}${query ? "?" + query : ""}` : location.pathname.split("/").pop() || ".";
    try { history.replaceState(null, "", hash); } catch { /* some viewers forbid it; the page works without */ }
  };

  // ---- controls ----------------------------------------------------------------------------
  // A number that is none yet, or out of bounds, is no limit.
  const valueOf = (control) => (control.type === "number" && !control.validity.valid ? "" : control.value);
  // Brings the state into the controls; what a control cannot hold becomes its default in both. Never called while somebody
  // types: written into its control, the value of a half-typed number or date would replace the half.
  const fillControls = (controls, names, state, defaults) => {
    for (const name of names) {
      const control = controls[name];
      control.value = state[name];
      if (control.selectedIndex < 0 || valueOf(control) !== control.value) control.value = defaults[name];
      state[name] = valueOf(control);
    }
  };

  // ---- the command that measures a point again ---------------------------------------------
  const quoted = (text) => "'" + text.replace(/'/g, "'\\''") + "'";
  const command = (dataset, group, i) => {
    const points = group.points, curve = group.curves[points.curve[i]];
    const lists = (values) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, [value]]));
    const variant = { build: lists(points.build_settings[points.build[i]]), search: lists(points.search_settings[points.search[i]]) };
    const suite = { k: group.k, datasets: [dataset], algorithms: { [curve.algorithm]: variant }, mode: group.mode,
      threads: group.threads, builds: points.builds[i], repeats: points.repeats[i] };
    // Characters outside ASCII and control characters as escapes: no terminal turns them round.
    const json = JSON.stringify(suite).replace(/[\u007f-\uffff]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
    return `printf '%s' ${quoted(json)} > point.yml && annharness run point.yml`;
  };
  const copy = async (text, button) => {
    let done = false;
    try { await navigator.clipboard.writeText(text); done = true; } catch {
      const area = element("textarea", { value: text });
      document.body.append(area); area.select();
      try { done = document.execCommand("copy"); } catch { done = false; }
      area.remove();
    }
    const before = button.textContent;
    button.textContent = done ? "copied" : "copy failed";
    setTimeout(() => { button.textContent = before; }, 1500);
  };

  // ---- choosing points ---------------------------------------------------------------------
  const frontier = (rows, x, y, moreX, moreY) => {
    const sx = moreX ? -1 : 1, sy = moreY ? -1 : 1;
    const sorted = rows.filter((i) => x[i] !== null && y[i] !== null).sort((a, b) => sx * (x[a] - x[b]) || sy * (y[a] - y[b]) || a - b);
    const kept = []; let best = Infinity;
    for (const i of sorted) if (sy * y[i] < best) { kept.push(i); best = sy * y[i]; }
    return moreX ? kept.reverse() : kept;
  };
  const ofFamily = (group, family) => group.points.curve.map((_, i) => i).filter((i) => family === "" || group.curves[group.points.curve[i]].family === family);
  const measuredWith = (group, i, library) => library === "" || group.points.library_sets[group.points.libraries[i]].includes(library);
  // Whether an index of so many bytes per vector fits the memory; a budget in all is shared by the n vectors.
  const fitsMemory = (state, n, size) => {
    if (state.memory === "") return true;
    const unit = { vector: 1, MB: 1e6 / n, GB: 1e9 / n }[state.per] ?? 1;
    return (size ?? null) !== null && size <= Number(state.memory) * unit;
  };
  const within = (group, state) => {
    const size = group.points.bytes_per_vector || [];
    return ofFamily(group, state.family).filter((i) => measuredWith(group, i, state.library) && fitsMemory(state, group.n, size[i]));
  };
  // The points within the limits, of all curves: those that reach the recall on the tuning queries and, with confidence, on the
  // held-out queries; where none does, those that reach it over all queries.
  const fitting = (group, state) => {
    const p = group.points, rows = within(group, state);
    if (state.floor === "") return { rows, sure: true };
    const floor = Number(state.floor), known = (column, i) => ((p[column] || [])[i] ?? -1) >= floor;
    const sure = rows.filter((i) => known("tuning_recall", i) && known("held_out_recall_low", i));
    return sure.length ? { rows: sure, sure: true } : { rows: rows.filter((i) => p.recall[i] >= floor), sure: false };
  };
  // As harness.measures.choosing.choose: the fastest by its mean over blocks, and its QPS as cross-fitted over the blocks that
  // all points within 20 % of it share.
  const choose = (group, rows) => {
    const p = group.points, sum = (values) => values.reduce((a, b) => a + b, 0), known = (v) => v !== null;
    const mean = (i) => { const own = p.block_speeds[i].filter(known); return sum(own) / own.length; };
    const best = rows.reduce((a, b) => (a < 0 || mean(b) > mean(a) ? b : a), -1);
    if (best < 0) return null;
    const near = rows.filter((i) => mean(i) >= mean(best) + Math.log(0.8));
    const blocks = p.block_speeds[best].map((_, b) => b).filter((b) => near.every((i) => known(p.block_speeds[i][b])));
    if (blocks.length < 2) return { best, luck: 1, crossFitted: false };
    const total = new Map(near.map((i) => [i, sum(blocks.map((b) => p.block_speeds[i][b]))]));
    const others = (i, b) => total.get(i) - p.block_speeds[i][b];
    const fair = blocks.map((b) => p.block_speeds[near.reduce((a, c) => (others(c, b) > others(a, b) ? c : a))][b]);
    return { best, luck: Math.exp(mean(best) - sum(fair) / fair.length), crossFitted: true };
  };
  // The names that an address chooses, as a set; null where it chooses none of those that there are, which is no choice. What is not there is told.
  const chosenOf = (only, names) => {
    if (only === "") return { chosen: null, unknown: [] };
    let asked = [only];
    try { asked = [].concat(JSON.parse(only)).map(String); } catch { /* no list: one name that is not there */ }
    const unknown = asked.filter((name) => !names.includes(name));
    return { chosen: asked.length && unknown.length === asked.length ? null : new Set(asked), unknown };
  };
  // ---- looks -------------------------------------------------------------------------------
  const isDark = () => document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  // Dark colours are lifted on a dark page, as --lift does for pictures.
  const lifted = (colour) => "#" + [1, 3, 5].map((at) => Math.round(0.7 * parseInt(colour.slice(at, at + 2), 16) + 0.3 * 255).toString(16).padStart(2, "0")).join("");
  const colourOf = (look) => (!isDark() ? look.colour : look.colour === "#000000" ? "#ffffff" : lifted(look.colour));
  const DASHES = { solid: "", dash: "5 3", dot: "1.5 2.5", dashdot: "6 2.5 1.5 2.5" };
  // What a curve looks like in the chart: colour, dash and mark.
  const swatch = (look, line = true) => {
    const part = (name, properties) => { const made = document.createElementNS("http://www.w3.org/2000/svg", name); for (const [key, value] of Object.entries(properties)) made.setAttribute(key, value); return made; };
    const picture = part("svg", { viewBox: "-16 -6 32 12", width: 32, height: 12, class: "swatch", "aria-hidden": "true" }), colour = colourOf(look);
    if (line) picture.append(part("line", { x1: -16, x2: 16, y1: 0, y2: 0, stroke: colour, "stroke-width": 2, "stroke-dasharray": DASHES[look.dash] || "" }));
    picture.append(part("polygon", { points: look.mark, fill: colour }));
    return picture;
  };
  // The tools stand in a strip of their own above the data: where there is no mouse, they never hide.
  const TOOLS = 36;
  const frame = (style) => ({ margin: { l: 10, r: 10, t: TOOLS, b: 10 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "closest", showlegend: false,
    font: { color: style.getPropertyValue("--ink"), family: "system-ui, sans-serif", size: 12 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: style.getPropertyValue("--faint"), activecolor: style.getPropertyValue("--ink") },
    hoverlabel: { align: "left", bgcolor: style.getPropertyValue("--paper"), font: { color: style.getPropertyValue("--ink") } } });
  const CHART = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"] };

  const checkboxes = (root, legend, names, isShown, swatches, unknown, changed) => {
    const box = root.querySelector(".names"), focused = box.contains(document.activeElement) ? document.activeElement.value : null;
    const labels = names.map((name, n) => {
      const input = element("input", { type: "checkbox", checked: isShown(n), value: name });
      input.addEventListener("change", () => changed(JSON.stringify([...box.querySelectorAll("input:checked")].map((e) => e.value))));
      return element("label", {}, input, ...swatches.slice(n, n + 1).map((look) => swatch(look)), element("span", { className: "name", textContent: cut(name, 120) }));
    });
    const told = unknown.length ? [element("p", { className: "unknown", textContent: `Not among them: ${cut(unknown.join(", "), 200)}.` })] : [];
    box.replaceChildren(element("legend", { textContent: legend }), ...told, ...labels);
    if (focused !== null) [...box.querySelectorAll("input")].find((e) => e.value === focused)?.focus();
  };

  // ---- axes --------------------------------------------------------------------------------
  const project = (value, scale) => (scale === "error" && value !== null ? -Math.log10(Math.max(1 - value + ERROR_FLOOR, 1e-9)) : value);
  const unproject = (value, scale) => (scale === "error" ? 1 + ERROR_FLOOR - 10 ** -value : value);
  const chooseScale = (quantity, values, asked) => {
    if (asked !== "auto") return asked;
    const known = values.filter((v) => v !== null).sort((a, b) => a - b);
    if (quantity.scale === "log") return known.length && known[0] > 0 && known[known.length - 1] >= 2 * known[0] ? "log" : "linear";
    return quantity.column === "recall" && known.length && known[known.length >> 1] >= 0.9 && known[known.length - 1] > 0.95 ? "error" : "linear";
  };
  const logTicks = (quantity, values) => {
    const known = values.filter((v) => v !== null && v > 0), low = Math.min(...known) / 4, high = Math.max(...known) * 4, ticks = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++)
      for (const step of high / low > 1e5 ? [1] : [1, 2, 5]) ticks.push(step * 10 ** e);
    return { tickmode: "array", tickvals: ticks, ticktext: ticks.map((v) => human(v, quantity.unit)) };
  };
  const axis = (quantity, scale, k, values) => {
    const style = getComputedStyle(document.documentElement);
    const made = { title: { text: `${quantity.title.replace("{k}", k)} (${quantity.more ? "more" : "less"} is better)` },
      type: scale === "log" ? "log" : "linear", gridcolor: style.getPropertyValue("--grid"), zeroline: false, automargin: true,
      linecolor: style.getPropertyValue("--line") };
    if (scale === "error") Object.assign(made, { tickmode: "array", tickvals: SHARES.map((v) => project(v, "error")), ticktext: SHARES.map(String) });
    else if (scale === "log") Object.assign(made, logTicks(quantity, values));
    else made.exponentformat = "SI";
    if (!values.some((v) => v !== null)) made.range = [0, 1].map((v) => project(v, scale));
    return made;
  };
  // Bars longer than a share of the range of the values would fill the chart: they are cut there.
  const LONGEST_BAR = 0.1;
  const arm = (value, end, side, scale, most) => {
    if (end === null) return 0;
    const log = (v) => (scale === "log" ? Math.log(v) : v), back = (v) => (scale === "log" ? Math.exp(v) : v), at = project(value, scale);
    const length = Math.min(side * (log(project(end, scale)) - log(at)), most);
    return length > 0 ? Math.abs(back(log(at) + side * length) - at) : 0;
  };
  const errorBars = (p, rows, column, scale, values) => {
    const low = p[column + "_low"], high = p[column + "_high"];
    if (!low || !high) return undefined;
    const known = values.filter((v) => v !== null).map((v) => (scale === "log" ? Math.log(v) : project(v, scale)));
    const range = Math.max(...known) - Math.min(...known), most = range > 0 ? LONGEST_BAR * range : Infinity;
    const arms = (end, side) => rows.map((i) => arm(p[column][i], end[i], side, scale, most));
    return { type: "data", symmetric: false, thickness: 1, width: 0, array: arms(high, 1), arrayminus: arms(low, -1) };
  };

  // ---- names beside their curves -----------------------------------------------------------
  const LETTER = 7, TEXT = 14, GAP = 9, MOST_COVERED = 4, APART = 7; // pixels; the axes are known to within a few
  const SIDES = [["middle right", 1, 0], ["top right", 1, -1], ["bottom right", 1, 1], ["top center", 0, -1], ["bottom center", 0, 1], ["middle left", -1, 0], ["top left", -1, -1], ["bottom left", -1, 1]];
  // Pixels along a curve, so that lines count as well as marks.
  const sampled = (points) => points.flatMap(([x, y], i) => {
    if (!i) return [[x, y]];
    const [u, v] = points[i - 1], steps = Math.min(Math.ceil(Math.hypot(x - u, y - v) / 6), 200);
    return Array.from({ length: steps }, (_, s) => [u + ((x - u) * (s + 1)) / steps, v + ((y - v) * (s + 1)) / steps]);
  });
  // As harness.report.plots.labels: of the places around a curve's points, the one that covers the least. Where all places
  // cover much, the name is left out: the list of algorithms has it.
  const placed = (curves, width, height) => {
    const obstacles = curves.flatMap((curve) => sampled(curve.pixels)), taken = [], found = [];
    for (const curve of curves) {
      const w = LETTER * curve.name.length, last = curve.pixels.length - 1;
      let best = null;
      for (const at of [...new Set([last, 0, last >> 1])]) for (const [n, [side, right, down]] of SIDES.entries()) {
        const [x, y] = curve.pixels[at], left = x + GAP * right - (w * (1 - right)) / 2, top = y + GAP * down - (TEXT * (1 - down)) / 2;
        const box = [left, top, left + w, top + TEXT];
        const outside = Math.max(-left, 0) + Math.max(box[2] - width, 0) + Math.max(-top, 0) + Math.max(box[3] - height, 0);
        const covered = obstacles.filter(([u, v]) => u > box[0] - 2 && u < box[2] + 2 && v > box[1] && v < box[3]).length;
        const cost = covered + outside + 0.1 * n + 0.5 * (at !== last) + 100 * taken.filter((b) => b[0] < box[2] + APART && box[0] < b[2] + APART && b[1] < box[3] + APART && box[1] < b[3] + APART).length;
        if (!best || cost < best.cost) best = { cost, at, side, box };
      }
      if (best.cost < MOST_COVERED) { taken.push(best.box); found.push({ ...curve, ...best }); }
    }
    return found;
  };

  // ---- one dataset's explorer --------------------------------------------------------------
  function explorer(root) {
    const data = site.data[root.dataset.dataset];
    const controls = Object.fromEntries([...root.querySelectorAll("[name]")].map((e) => [e.name, e]));
    const chart = root.querySelector(".chart");
    const ranking = window.annharnessRanking(root, WORDS);
    let state = null;
    const CHOSEN = ["group", "per", "family", "library", "x", "xs", "y", "ys"], TYPED = ["floor", "memory"];

    const current = () => data.groups[Number(state.group)] || data.groups[0];
    let scaleOfRecall = null;
    const hiddenOf = (group) => {
      const { chosen } = chosenOf(state.only, group.curves.map((curve) => curve.name));
      return new Set(group.curves.map((_, n) => n).filter((n) => !(chosen ? chosen.has(group.curves[n].name) : group.curves[n].shown)));
    };
    const quantityOf = (name) => data.quantities.find((q) => q.column === name) || data.quantities[0];
    const hover = (group, i) => {
      const p = group.points;
      return [`<b>${wrapped(group.curves[p.curve[i]].name)}</b>`, wrapped(p.parameters[i]),
        `recall ${share(p.recall[i])}  [${bounds((p.recall_low || [])[i], (p.recall_high || [])[i], share)}]`,
        `${human(p.qps[i], "/s")} queries/s  [${qpsBounds(p, i)}]`,
        ...(p.near[i] ? ["within a factor of 2 of the harness overhead (no-op)"] : []),
        `p99 ${human((p.p99_ms || [])[i], "ms")}, build ${human((p.build_seconds || [])[i], "s")}, ${sizeText(p, i)} bytes per vector`,
        "<i>click for the command and the recall of queries</i>"].join("<br>");
    };

    function fill() {
      controls.group.replaceChildren(...data.groups.map((s, n) => element("option", { value: String(n), textContent: s.brief })));
      const libraries = new Set(data.groups.flatMap((s) => s.points.library_sets.flat()));
      controls.library.replaceChildren(element("option", { value: "", textContent: "all" }), ...[...libraries].sort().map((s) => element("option", { value: s, textContent: s })));
      controls.library.closest("label").hidden = libraries.size === 0;
      const options = () => data.quantities.filter((q) => data.groups.some((s) => s.points[q.column])).map((q) => element("option", { value: q.column, textContent: q.brief.replace("@{k}", "") }));
      controls.x.replaceChildren(...options()); controls.y.replaceChildren(...options());
      for (const name of ["xs", "ys"]) controls[name].replaceChildren(...["auto", "linear", "log", "error"].map((s) => element("option", { value: s, textContent: s })));
    }
    function show() {
      const group = current(), hidden = hiddenOf(group), found = fitting(group, state);
      // Without a recall, the fastest of all would be an index that finds nothing.
      const usual = state.floor === "" ? fitting(group, { ...state, floor: USUAL_FLOOR }) : found, told = usual.sure ? usual : found;
      const chosen = choose(group, told.rows), first = told === found ? chosen : choose(group, found.rows);
      const rows = found.rows.filter((i) => !hidden.has(group.points.curve[i]));
      root.querySelector(".conditions").textContent = group.conditions;
      showNames(group, hidden); showRecommendation(group, chosen, told.sure, told === found ? state.floor : USUAL_FLOOR); showLimit(group, rows); showRows(group, rows, first); showRanking(group); draw(group, rows, hidden);
    }
    // At the recall that was chosen for it, or else that of the answer above.
    function showRanking(group) {
      const asked = Number([state.at, state.floor].find((text) => text !== "" && Number(text) >= 0 && Number(text) <= 1) ?? USUAL_FLOOR);
      const isLimited = [state.memory, state.family, state.library].some((value) => value !== "");
      ranking.show(group, asked, isLimited, (level) => { state.at = level; writeState(state, DEFAULTS); showRanking(group); ranking.drawn(scaleOfRecall); });
    }
    function showNames(group, hidden) {
      const legend = `algorithms, ${group.curves.length - hidden.size} of ${group.curves.length}`;
      const names = group.curves.map((curve) => curve.name);
      checkboxes(root, legend, names, (n) => !hidden.has(n), group.curves, chosenOf(state.only, names).unknown, (only) => { state.only = only; changed(); });
    }
    function showRecommendation(group, chosen, sure, floor) {
      const p = group.points, unit = { vector: "bytes per vector", MB: "MB in all", GB: "GB in all" }[state.per];
      const limits = [floor === "" ? "" : `recall of at least ${floor}`, state.memory === "" ? "" : `at most ${state.memory} ${unit}`].filter(Boolean).join(" and ");
      const family = state.family === "" ? "" : ` of the family ${state.family}`, library = state.library === "" ? "" : ` measured with ${state.library}`;
      const whose = family + library, fastest = `Fastest${whose || (limits ? "" : " of all")}`;
      const line = root.querySelector(".recommendation");
      if (!chosen) { line.textContent = p.curve.length ? `No measured point${whose} has ${limits || "a known speed"}.` : "No point was measured: see the failures."; return; }
      const best = chosen.best, held = (end) => share((p["held_out_recall" + end] || [])[best]);
      const unsure = { "~": ", measured as growth of memory, not computed", "~?": ", measured as growth of memory and less than its rows alone take" }[sizeMark(p, best)] || "";
      const size = unsure || state.memory !== "" ? `, with ${sizeText(p, best)} bytes per vector${unsure}` : "";
      const how = chosen.crossFitted ? "its speed is cross-fitted over builds" : "it is chosen and reported on the same build";
      line.replaceChildren(!sure ? `Not reached with confidence${whose}: ${limits}. Fastest that may reach it: ` : `${fastest}${limits ? ` with ${limits}` : ""}: `,
        element("strong", { className: "name", textContent: `${group.curves[p.curve[best]].name} ${p.parameters[best]}`.trim() }),
        `, ${human(p.qps[best] / chosen.luck, "/s")} queries per second (${qpsBounds(p, best, chosen.luck)}) at recall ${held("")}${p.recall_mark[best]} (${held("_low")} to ${held("_high")})${size}. `,
        element("small", { textContent: `Of all measured points, chosen by recall on the tuning queries; its recall is that of the held-out queries, ${how}.` }));
    }
    function showLimit(group, rows) {
      const near = rows.filter((i) => group.points.near[i]).length;
      root.querySelector(".limit").textContent = group.no_op_qps ? `The no-op adapter, which measures the harness overhead, reaches ${human(group.no_op_qps, "/s")} queries per second. `
        + (near ? `${near} of these points come within a factor of 2 of that: they are ringed in the chart and marked * below.` : "No point shown comes within a factor of 2 of that.") : "";
    }
    function showRows(group, rows, chosen) {
      const p = group.points, kept = new Set(), best = chosen ? chosen.best : -1;
      for (const n of new Set(rows.map((i) => p.curve[i]))) for (const i of frontier(rows.filter((j) => p.curve[j] === n), p.recall, p.qps, true, true)) kept.add(i);
      // The fastest point of all stands there in any case, and first.
      const shown = (state.all === "1" ? rows : rows.filter((i) => kept.has(i))).filter((i) => i !== best).sort((a, b) => p.qps[b] - p.qps[a]);
      if (best >= 0) shown.unshift(best);
      root.querySelector(".count").textContent = `${state.all === "1" ? "All" : "Pareto"} points of the chosen algorithms and limits, fastest first: ${Math.min(shown.length, MOST_ROWS)} of ${shown.length}. `
        + [`${group.points.curve.length} were measured, ${group.failures} failed or are unsupported`, ...group.notes].join(". ") + ".";
      root.querySelector("table.points tbody").replaceChildren(...shown.slice(0, MOST_ROWS).map((i) => {
        const button = element("button", { type: "button", textContent: "copy command" });
        button.addEventListener("click", () => copy(command(data.dataset, group, i), button));
        const more = element("button", { type: "button", textContent: "recall of queries", hidden: !p.by_query[i] });
        more.addEventListener("click", () => { pick(group, i); const panel = root.querySelector(".picked"); panel.scrollIntoView({ block: "center" }); panel.focus({ preventScroll: true }); });
        const cell = (text, className) => element("td", { textContent: text, className });
        return element("tr", {}, element("th", { scope: "row", className: i === best ? "name strong" : "name", textContent: group.curves[p.curve[i]].name }), cell(p.parameters[i], "words"),
          cell(share(p.recall[i]) + p.recall_mark[i], "number"), cell(bounds((p.recall_low || [])[i], (p.recall_high || [])[i], share), "number"),
          cell(human(p.qps[i], "/s") + (p.near[i] ? " *" : ""), "number strong"), cell(qpsBounds(p, i).replace(p.unknown, "unknown"), "number"),
          cell(human((p.p99_ms || [])[i], "ms"), "number"), cell(human((p.build_seconds || [])[i], "s"), "number"),
          cell(sizeText(p, i), "number"), element("td", {}, button, " ", more));
      }));
    }
    function pick(group, i) {
      const p = group.points, text = command(data.dataset, group, i), panel = root.querySelector(".picked");
      const button = element("button", { type: "button", textContent: "copy command" });
      button.addEventListener("click", () => copy(text, button));
      panel.replaceChildren(element("strong", { className: "name", textContent: group.curves[p.curve[i]].name }), " ",
        element("span", { className: "words", textContent: p.parameters[i] }),
        element("div", { textContent: `recall ${share(p.recall[i])}, ${human(p.qps[i], "/s")} queries per second, ${p.builds[i]} builds, ${p.repeats[i]} repeats` }),
        ...spread(p.by_query[i]), element("pre", { textContent: text }), button);
      panel.hidden = false;
    }
    // How recall is spread over the queries: a bar for each step of recall.
    function spread(found) {
      if (!found) return [];
      const [counts, lowest, worst] = found, steps = counts.length - 1, all = counts.reduce((a, b) => a + b, 0), most = Math.max(...counts);
      const head = counts.map((_, n) => element("th", { scope: "col", textContent: short(n / steps) }));
      const bars = counts.map((count) => {
        const bar = element("span", { className: "column" }), part = (100 * count) / all;
        bar.style.setProperty("--share", count / most);
        return element("td", { title: `${count} of ${all} queries` }, bar, count && part < 0.1 ? "<.1" : part.toFixed(part < 9.95 ? 1 : 0).replace(/\.0$/, ""));
      });
      const table = element("table", { className: "spread" }, element("caption", { textContent: `% of the ${all} queries by their recall, each from its figure to below the next` }),
        element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, element("tr", {}, ...bars)));
      const low = lowest < 1 ? `The lowest recall is ${short(lowest)}${worst.length ? `, such as of ${worst.map((q) => `query ${q}`).join(", ")} (counted from 0)` : ""}.` : "Every query has recall 1.";
      return [table, element("div", { className: "faint", textContent: low })];
    }
    function draw(group, rows, hidden) {
      if (!window.Plotly) return;
      const p = group.points, x = quantityOf(state.x), y = quantityOf(state.y);
      const hollow = [x, y].some((one) => one.column === "build_seconds") && p[x.column] && p[y.column] ? unreachingBuilds(group, rows, hidden) : [], marked = rows.concat(hollow);
      const valuesOf = (quantity) => marked.map((i) => (p[quantity.column] || [])[i] ?? null);
      const xs = chooseScale(x, valuesOf(x), state.xs), ys = chooseScale(y, valuesOf(y), state.ys);
      const traces = [], style = getComputedStyle(document.documentElement), ink = style.getPropertyValue("--ink");
      const xOf = (i) => project((p[x.column] || [])[i] ?? null, xs), yOf = (i) => project((p[y.column] || [])[i] ?? null, ys);
      const symbolOf = (curve, i) => curve.symbol + ((x.is_size || y.is_size) && sizeMark(p, i) ? "-open" : "");
      const byCurve = group.curves.map(() => []), behind = [], colours = [], symbols = [];
      for (const i of rows) byCurve[p.curve[i]].push(i);
      const drawn = group.curves.flatMap((curve, n) => {
        if (hidden.has(n) || !byCurve[n].length || !p[x.column] || !p[y.column]) return [];
        return [{ curve, n, name: cut(curve.name, 30), colour: colourOf(curve), front: frontier(byCurve[n], p[x.column], p[y.column], x.more, y.more) }];
      });
      const places = placesOfNames(drawn, marked, { xOf, yOf, xs, ys });
      for (const { curve, n, name, colour, front } of drawn) {
        const inFront = new Set(front), place = places.get(n);
        if (state.all === "1") for (const i of byCurve[n]) if (!inFront.has(i)) { behind.push(i); colours.push(colour); symbols.push(symbolOf(curve, i)); }
        traces.push({ type: "scatter", mode: place ? "lines+markers+text" : "lines+markers", name: label(cut(curve.name, 40)), x: front.map(xOf), y: front.map(yOf), customdata: front,
          text: front.map((_, at) => (place && at === place.at ? `<b>${label(name)}</b>` : "")), textposition: place ? place.side : "middle right", textfont: { color: colour, size: 12 }, cliponaxis: false,
          hovertext: front.map((i) => hover(group, i)), hoverinfo: "text", error_x: errorBars(p, front, x.column, xs, valuesOf(x)), error_y: errorBars(p, front, y.column, ys, valuesOf(y)),
          line: { color: colour, dash: curve.dash, width: 2 }, marker: { color: colour, symbol: front.map((i) => symbolOf(curve, i)), size: 8 } });
      }
      // All in one trace, below the rest: a trace for each curve takes seconds where there are many.
      if (behind.length) traces.unshift({ type: "scatter", mode: "markers", x: behind.map(xOf), y: behind.map(yOf), customdata: behind,
        text: behind.map((i) => hover(group, i)), hoverinfo: "text", marker: { color: colours, symbol: symbols, size: 5, opacity: 0.3 } });
      const lookOf = (i) => group.curves[p.curve[i]];
      if (hollow.length) traces.push({ type: "scatter", mode: "markers", x: hollow.map(xOf), y: hollow.map(yOf), customdata: hollow, hovertext: hollow.map((i) => hover(group, i)), hoverinfo: "text",
        marker: { symbol: hollow.map((i) => `${lookOf(i).symbol}-open`), color: hollow.map((i) => colourOf(lookOf(i))), size: 9 } });
      root.querySelector(".hollow-told").textContent = hollow.length ? `Hollow: the point of highest recall of builds none of whose points reaches ${state.floor} (${hollow.length}).` : "";
      const ringed = y.column === "qps" && p[x.column] ? rows.filter((i) => p.near[i]) : [];
      if (ringed.length) traces.push({ type: "scatter", mode: "markers", x: ringed.map(xOf), y: ringed.map(yOf), hoverinfo: "skip", marker: { symbol: "circle-open", size: 15, color: ink, line: { width: 1 } } });
      const shapes = [];
      if (y.column === "qps" && group.no_op_qps && ys === "log" && rows.some((i) => p.qps[i] > group.no_op_qps / 4))
        shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: group.no_op_qps, y1: group.no_op_qps, line: { color: ink, dash: "dot", width: 1 }, label: { text: "harness overhead (no-op)", textposition: "start", font: { size: 11, color: ink } } });
      const layout = { ...frame(style), xaxis: axis(x, xs, group.k, valuesOf(x)), yaxis: axis(y, ys, group.k, valuesOf(y)), shapes,
        annotations: traces.length ? [] : [{ text: "no point to draw", showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5, font: { size: 16, color: ink } }] };
      window.Plotly.react(chart, traces, layout, CHART);
      scaleOfRecall = x.column === "recall" ? xs : null;
      ranking.drawn(scaleOfRecall);
      chart.removeAllListeners?.("plotly_relayout"); chart.removeAllListeners?.("plotly_afterplot");
      for (const event of ["plotly_relayout", "plotly_afterplot"]) chart.on(event, () => ranking.drawn(scaleOfRecall));
      chart.removeAllListeners?.("plotly_click");
      chart.on("plotly_click", (event) => pick(group, event.points[0].customdata ?? 0));
    }
    // Within the other limits, the point of highest recall of each build without any in `rows`.
    function unreachingBuilds(group, rows, hidden) {
      if (state.floor === "") return [];
      const p = group.points, buildOf = (i) => `${p.curve[i]} ${p.build[i]}`, reaching = new Set(rows.map(buildOf)), best = new Map();
      for (const i of within(group, state)) {
        if (hidden.has(p.curve[i]) || reaching.has(buildOf(i))) continue;
        if (!best.has(buildOf(i)) || p.recall[i] > p.recall[best.get(buildOf(i))]) best.set(buildOf(i), i);
      }
      return [...best.values()];
    }
    // By the number of its curve, the point and the side where a name stands; `chart` is as large as it will be, and its axes hold all rows.
    function placesOfNames(drawn, rows, { xOf, yOf, xs, ys }) {
      const width = chart.clientWidth - 90, height = chart.clientHeight - 100, log = (v, scale) => (scale === "log" ? Math.log10(v) : v);
      const scaled = (values, scale, pixels) => {
        const known = values.filter((v) => v !== null && (scale !== "log" || v > 0)).map((v) => log(v, scale)), low = Math.min(...known), span = Math.max(...known) - low || 1;
        return (v) => pixels * (0.05 + (0.9 * (log(v, scale) - low)) / span);
      };
      const across = scaled(rows.map(xOf), xs, width), up = scaled(rows.map(yOf), ys, height);
      const curves = drawn.filter((one) => one.front.length).map((one) => ({ ...one, pixels: one.front.map((i) => [across(xOf(i)), height - up(yOf(i))]) }));
      return new Map(placed(curves, width, height).map((one) => [one.n, one]));
    }
    function changed() { writeState(state, DEFAULTS); show(); }
    function reread() {
      state = readState(DEFAULTS);
      fillControls(controls, [...CHOSEN, ...TYPED], state, DEFAULTS);
      controls.all.checked = state.all === "1";
      show();
    }

    fill(); reread();
    for (const name of CHOSEN) controls[name].addEventListener("change", () => { state[name] = controls[name].value; changed(); });
    for (const name of TYPED) controls[name].addEventListener("input", () => { state[name] = valueOf(controls[name]); if (name === "floor") state.at = ""; changed(); });
    controls.all.addEventListener("change", () => { state.all = controls.all.checked ? "1" : ""; changed(); });
    return { redraw: show, reread };
  }

  // What the other scripts use, so that all state the same.
  const WORDS = { element, human, share, bounds, cut, label, wrapped, qpsBounds, readState, writeState, valueOf, fillControls, choose, fitting, fitsMemory, chosenOf, swatch, colourOf, frame, checkboxes,
    project, unproject, axis, arm, CHART, LONGEST_BAR };

  // ---- theme, navigation, pages ------------------------------------------------------------
  const explorers = new Map(), CHARTS = ".explorer, .comparing", PARTS = `${CHARTS}, .filtered`;
  const remember = (theme) => { try { localStorage.setItem("annharness-theme", theme); } catch { /* not allowed here */ } };
  const remembered = () => { try { return localStorage.getItem("annharness-theme"); } catch { return null; } };
  const redraw = () => { for (const one of explorers.values()) if (!one.root.closest("[hidden]")) one.handle.redraw(); };
  const start = (root) => { if (!explorers.has(root)) explorers.set(root, { root, handle: (root.matches(".comparing") ? window.annharnessComparing : root.matches(".filtered") ? window.annharnessParts : explorer)(root, WORDS) }); else explorers.get(root).handle.reread(); };

  function route() {
    const [hash] = hashParts(), wanted = hash.replace(/^\//, "") || "index", pages = [...document.querySelectorAll(".page")];
    const page = pages.find((p) => p.dataset.page === wanted) || pages[0];
    const moved = page.hidden;
    for (const p of pages) p.hidden = p !== page;
    document.title = `${page.dataset.title} · annharness`;
    for (const root of page.querySelectorAll(PARTS)) start(root);
    if (moved) window.scrollTo(0, 0);
  }

  const saved = remembered();
  if (saved === "dark" || saved === "light") document.documentElement.dataset.theme = saved;
  document.getElementById("theme").addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme; remember(theme); redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  document.getElementById("jump").addEventListener("change", (event) => { if (event.target.value) location.href = event.target.value; });
  document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); const main = document.getElementById("main"); main.tabIndex = -1; main.focus(); });
  // The address of a page in a single file is its hash, so a part of the page has none.
  for (const jump of document.querySelectorAll(".to-part")) jump.addEventListener("click", (event) => { event.preventDefault(); const part = document.getElementById(jump.hash.slice(1)); part.scrollIntoView(); part.focus({ preventScroll: true }); });
  // A single file holds the files of the folder, compressed, in base64.
  async function download(name) {
    const packed = new Blob([Uint8Array.from(atob(site.files[name]), (c) => c.charCodeAt(0))]);
    const unpacked = await new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).blob();
    const made = document.createElement("a");
    made.href = URL.createObjectURL(unpacked); made.download = name; made.click();
    setTimeout(() => URL.revokeObjectURL(made.href), 1000);
  }
  for (const button of document.querySelectorAll("[data-download]")) button.addEventListener("click", () => download(button.dataset.download));
  // The chart's library is large: the recommendation and the table stand before it is read.
  function loadCharts() {
    const library = element("script"), inline = document.getElementById("plotly");
    if (inline) library.textContent = inline.textContent;
    else { library.src = "assets/plotly.min.js"; library.addEventListener("load", redraw); }
    document.body.append(library);
    if (inline) redraw();
  }
  if (site.single) { window.addEventListener("hashchange", route); route(); }
  else { for (const root of document.querySelectorAll(PARTS)) start(root); window.addEventListener("hashchange", () => { for (const one of explorers.values()) one.handle.reread(); }); }
  if (document.querySelector(CHARTS)) requestAnimationFrame(() => setTimeout(loadCharts));
})();
