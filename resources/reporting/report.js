"use strict";
// Tables sort by a click on a heading, long ones are filtered by a word; a link to SQL opens what hides it; what a mark
// of a chart says is shown where one points at it, or taps.
const value = (cell) => {
  const text = cell.textContent.trim().replace(/\u2212/g, "-").replace(/(\d)[ \u00a0](?=\d{3})/g, "$1");
  const number = parseFloat(text);
  return Number.isNaN(number) ? text : number;
};
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead th").forEach((heading, column) => {
    heading.tabIndex = 0;
    const sort = () => {
      const up = heading.getAttribute("aria-sort") !== "ascending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      const body = table.tBodies[0];
      const rows = [...body.rows].sort((one, two) => {
        const [a, b] = [value(one.cells[column]), value(two.cells[column])];
        if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1; // what has no number stands last
        const order = typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
        return up ? order : -order;
      });
      body.append(...rows);
    };
    heading.addEventListener("click", sort);
    heading.addEventListener("keydown", (event) => {
      if (event.key === "Enter") sort();
    });
  });
  const rows = [...table.tBodies[0].rows];
  if (rows.length < 8) continue;
  const filter = document.createElement("input");
  filter.type = "search";
  filter.className = "filter";
  filter.placeholder = "filter";
  filter.setAttribute("aria-label", `Filter: ${table.parentElement.getAttribute("aria-label")}`);
  filter.addEventListener("input", () => {
    const word = filter.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(word);
  });
  table.parentElement.before(filter);
}
for (const link of document.querySelectorAll('a[href^="#sql-"]')) {
  link.addEventListener("click", () => {
    const shown = document.getElementById(link.hash.slice(1));
    for (let one = shown; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
  });
}
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);
document.addEventListener("pointerover", (event) => {
  const mark = event.target.closest("svg [aria-label][aria-roledescription]");
  tip.hidden = !mark || !mark.querySelector("title");
  if (tip.hidden) return;
  tip.textContent = mark.getAttribute("aria-label");
  tip.style.left = `${Math.min(event.pageX + 12, document.documentElement.clientWidth - 220)}px`;
  tip.style.top = `${event.pageY + 14}px`;
});
