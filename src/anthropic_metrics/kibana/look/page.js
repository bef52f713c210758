// Draws every chart from the JSON beside it, in the colours of the page's light or dark scheme.
"use strict";
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const [text, soft, line, card] = ["--text", "--soft", "--line", "--card"].map((name) => style.getPropertyValue(name));
  const axis = { automargin: true, gridcolor: line, linecolor: line, zerolinecolor: line, fixedrange: true };
  return {
    ...layout,
    autosize: true,
    showlegend: false,
    bargap: 0.25,
    margin: { l: 8, r: 12, t: 8, b: 8, pad: 2 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: soft, size: 12, family: getComputedStyle(document.body).fontFamily },
    hoverlabel: { bgcolor: card, bordercolor: line, font: { color: text }, namelength: -1 },
    xaxis: { ...axis, ...layout.xaxis },
    yaxis: { ...axis, ...layout.yaxis },
  };
}

function draw() {
  for (const chart of document.querySelectorAll(".chart")) {
    const figure = JSON.parse(chart.nextElementSibling.textContent);
    Plotly.react(chart, figure.data, themed(figure.layout), { displayModeBar: false, responsive: true });
  }
}

draw();
dark.addEventListener("change", draw);
