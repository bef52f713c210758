"""A page of `dashboards render` in a headless Chromium: desk and phone, light and dark.

Fails on a script error, on anything wider than the window or taller than its card, and on a chart without
marks; leaves a picture of each view in the folder that is named, else beside the page.
"""

from __future__ import annotations

import os
import sys
from itertools import product
from pathlib import Path
from typing import Any

from anthropic_metrics.errors import MetricsError
from tests.browser.chromium import find
from tests.browser.devtools import Window

WIDTHS = {"desk": 1440, "phone": 390}
SCHEMES = ("light", "dark")
LONGEST = 240.0  # seconds for all views; an idle machine takes about ten
SLOW = "the views were not drawn within {:.0f} seconds: this machine is too busy; run it again later."

# What only a browser knows, two frames after the page has loaded and drawn.
REPORT = """new Promise(done=>requestAnimationFrame(()=>requestAnimationFrame(()=>{
 const marks=c=>c.querySelectorAll("svg path,.zero").length;
 const edge=document.querySelector("main").getBoundingClientRect().right;
 const cards=[...document.querySelectorAll("article")];
 const wide=cards.filter(a=>a.getBoundingClientRect().right>edge+1).map(a=>a.dataset.panel);
 const bottom=e=>e.getBoundingClientRect().bottom;
 const drawn=a=>[...a.querySelectorAll(".plot,ol,table")];
 const low=cards.filter(a=>drawn(a).some(e=>bottom(e)>bottom(a)+1));
 const bare=cards.filter(a=>a.querySelector(".plot")&&!marks(a)).map(a=>a.dataset.panel);
 const cut=[...document.querySelectorAll(".big")].filter(e=>e.scrollWidth>e.clientWidth+1);
 const page=document.documentElement;
 done({wide,bare,cut:cut.map(e=>e.closest("article").dataset.panel),low:low.map(a=>a.dataset.panel),scroll:page.scrollWidth,width:innerWidth,height:page.scrollHeight,
  charts:document.querySelectorAll(".plot").length});})))"""


def main(arguments: list[str]) -> int:
    if not 1 <= len(arguments) <= 2:
        sys.stderr.write("usage: scripts/look page.html [folder]\n")
        return 2
    page = Path(arguments[0]).resolve()
    folder = Path(arguments[1]).resolve() if len(arguments) > 1 else page.parent
    if not page.is_file():
        sys.stderr.write(f"{page}: there is no such page\n")
        return 2
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.stderr.write(f"{folder}: {error.strerror}\n")
        return 2
    try:
        with Window(find(os.environ), within=LONGEST) as window:
            good = [view(window, page, folder, *each) for each in product(WIDTHS, SCHEMES)]
    except TimeoutError:
        sys.stderr.write(f"{page}: {SLOW.format(LONGEST)}\n")
        return 2
    except MetricsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return int(not all(good))


def view(window: Window, page: Path, folder: Path, place: str, scheme: str) -> bool:
    """Say what is wrong with one view, and leave its picture; whether it is good."""
    report = look(window, page, WIDTHS[place], scheme)
    picture = folder / f"{page.stem}-{place}-{scheme}.png"
    picture.write_bytes(window.picture(WIDTHS[place], report["height"]))
    print(f"{place}, {scheme}: {'; '.join(report['faults']) or 'good'} ({picture})")
    return not report["faults"]


def look(window: Window, page: Path, width: int, scheme: str = "light") -> dict[str, Any]:
    """`faults` in words, how many `charts` there are, and how tall the page is (`height`)."""
    window.open(page, width, scheme)
    report: dict[str, Any] = window.ask(REPORT)
    faults = [f"script error: {each}" for each in window.errors]
    if report["scroll"] > report["width"]:
        faults.append(f"the page is {report['scroll']} wide in a window of {report['width']}")
    faults += [f"{each} is wider than its place" for each in report["wide"]]
    faults += [f"{each} is taller than its place" for each in report["low"]]
    faults += [f"{each} has no marks" for each in report["bare"]]
    faults += [f"the number of {each} does not fit its tile" for each in report["cut"]]
    if not report["charts"]:
        faults.append("no chart")
    return {**report, "faults": faults}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
