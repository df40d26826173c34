// Two states of the history compared: commits, or versions of a library. Texts come as they are shown: none is made up here.
"use strict";
window.annharnessStates = (root, { element, cut }) => {
  const section = root.querySelector(".states");
  if (!section) return () => {};
  const { states, pairs } = window.annharness.history;
  for (const name of ["old", "new"]) {
    const options = states.map((words, n) => element("option", { value: String(n), textContent: cut(words, 80) })).reverse();
    section.querySelector(`[name="${name}"]`).replaceChildren(element("option", { value: "", textContent: "choose" }), ...options);
  }
  const row = (one) => {
    const title = [element("span", { className: "name", textContent: one.curve }), " ", element("span", { className: "faint words", textContent: one.parameters })];
    const article = document.getElementById(one.anchor), point = article ? [element("a", { href: `#${one.anchor}` }, ...title)] : title;
    point[0].addEventListener("click", (event) => { if (!article) return; event.preventDefault(); article.scrollIntoView(); });
    const cell = (...content) => element("td", {}, ...content), small = (textContent) => element("small", { className: "faint", textContent });
    return element("tr", {}, element("th", { scope: "row" }, ...point, element("br"), small(one.group)), cell(one.qps), cell(one.ratio, " ", element("span", { className: one.verdict, textContent: one.words })),
      cell(one.recall, element("br"), small(one.recall_words)));
  };
  // Whichever is chosen first, the ratio is that of the newer over the older.
  return (state) => {
    const told = section.querySelector(".told-states"), table = section.querySelector(".scroll"), notes = section.querySelector(".notes");
    const [first, last] = [Number(state.old), Number(state.new)].sort((a, b) => a - b), isChosen = state.old !== "" && state.new !== "";
    const found = isChosen ? pairs[`${first},${last}`] : null;
    table.hidden = !found || !found.rows.length;
    told.textContent = !isChosen ? "" : !found ? "Choose two different states." : !found.points ? "No point was measured in both states."
      : `${states[last]} over ${states[first]}: ${found.rows.length} of ${found.points} points differ in speed or recall; the speed of ${found.equal} is equal within 5 %, of ${found.undecided} undecided.`;
    table.querySelector("tbody").replaceChildren(...(found ? found.rows.map(row) : []));
    notes.textContent = found && found.rows.length ? [`${found.levels.join(", ")} intervals`, ...found.notes].join(". ") + "." : "";
  };
};
