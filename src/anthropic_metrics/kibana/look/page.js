// Folds and sorts tables, and shows the values under the pointer. The page reads without it too.
"use strict";
const SHOWN = matchMedia("(max-width: 900px)").matches ? 8 : 15;

// Shows the first rows of a folded table, in whatever order they are.
function refold(table) {
  const folded = table.classList.contains("folded");
  [...table.tBodies[0].rows].forEach((row, index) => { row.hidden = folded && index >= SHOWN; });
}

function foldable(table) {
  const body = table.tBodies[0];
  const scroll = table.parentElement;
  const hint = document.createElement("p");
  hint.className = "hint";
  hint.textContent = "Scroll sideways for more columns.";
  scroll.before(hint);
  const fit = () => { hint.hidden = scroll.scrollWidth <= scroll.clientWidth + 1; };
  new ResizeObserver(fit).observe(scroll);
  fit();
  if (body.rows.length <= SHOWN) return;
  const count = scroll.nextElementSibling.querySelector(".count");
  const all = count.textContent;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "more";
  count.after(" ", button);
  const set = (folded) => {
    table.classList.toggle("folded", folded);
    refold(table);
    count.textContent = folded ? `${SHOWN} of ${all}` : all;
    button.textContent = folded ? "Show all" : "Show fewer";
  };
  button.addEventListener("click", () => set(!table.classList.contains("folded")));
  set(true);
}

// A cell without a number comes last, whichever way.
function order(column, down) {
  const sign = down ? -1 : 1;
  const number = (cell) => (cell.dataset.v === undefined ? NaN : Number(cell.dataset.v));
  return (one, other) => {
    const [a, b] = [one.cells[column], other.cells[column]];
    const [x, y] = [number(a), number(b)];
    if (!Number.isNaN(x) && !Number.isNaN(y)) return sign * (x - y);
    if (a.classList.contains("number")) return Number.isNaN(x) - Number.isNaN(y);
    return sign * a.textContent.localeCompare(b.textContent);
  };
}

function sortable(table) {
  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("th");
    if (!head) return;
    const down = head.getAttribute("aria-sort")
      ? head.getAttribute("aria-sort") !== "descending"
      : head.classList.contains("number");
    for (const each of head.parentElement.cells) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order(head.cellIndex, down)));
    refold(table);
  });
}

function readable(plot) {
  const data = JSON.parse(plot.nextElementSibling.textContent);
  const area = plot.querySelector(".area");
  const reading = document.getElementById("reading");
  const mark = document.createElement("i");
  mark.className = "mark";
  area.append(mark);
  const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });
  const show = (event) => {
    const box = area.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    let at = 0;
    data.at.forEach((each, index) => { if (Math.abs(each - share) < Math.abs(data.at[at] - share)) at = index; });
    mark.style.left = `${100 * data.at[at]}%`;
    reading.replaceChildren(element("b", data.names[at]));
    for (const series of data.series) {
      if (series.values[at] === null) continue;
      const line = document.createElement("p");
      const swatch = document.createElement("i");
      swatch.style.background = series.color;
      line.append(swatch, element("span", series.name), element("b", series.values[at]));
      reading.append(line);
    }
    reading.hidden = false;
    const left = box.left + data.at[at] * box.width + 12;
    const room = document.documentElement.clientWidth - reading.offsetWidth - 8;
    reading.style.left = `${Math.max(4, left > room ? left - reading.offsetWidth - 24 : left)}px`;
    reading.style.top = `${Math.max(4, Math.min(event.clientY, innerHeight - reading.offsetHeight - 8))}px`;
    mark.hidden = false;
  };
  const hide = () => { reading.hidden = mark.hidden = true; };
  area.addEventListener("pointermove", show);
  area.addEventListener("pointerdown", show);
  area.addEventListener("pointerleave", hide);
  addEventListener("scroll", hide, { passive: true });
  mark.hidden = true;
}

for (const table of document.querySelectorAll("table.rows")) {
  foldable(table);
  sortable(table);
}
document.querySelectorAll(".plot").forEach(readable);
