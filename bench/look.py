"""A page of `dashboards render` in a headless Chromium: desk and phone, light and dark.

Fails on a script error, on anything wider than the window and on a chart without marks; leaves a picture of
each view in the folder that is named, else beside the page.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from html import unescape
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--run-all-compositor-stages-before-draw", "--virtual-time-budget=15000"),
)
WIDTHS = {"desk": 1440, "phone": 390}
SCHEMES = {"light": "1", "dark": "0"}  # Chromium's numbers for prefers-color-scheme

# Goes into a copy of the page and tells its frame what only a browser knows.
PROBE = """<script>window.errors=[];addEventListener("error",e=>errors.push(e.message));
addEventListener("load",()=>setTimeout(()=>{
 const marks=c=>c.querySelectorAll(".points .point,.hm image,.hm path,.lines path").length;
 const edge=document.querySelector("main").getBoundingClientRect().right;
 const cards=[...document.querySelectorAll("article")];
 const wide=cards.filter(a=>a.getBoundingClientRect().right>edge+1).map(a=>a.dataset.panel);
 const bare=cards.filter(a=>a.querySelector(".chart")&&!marks(a)).map(a=>a.dataset.panel);
 const page=document.documentElement;
 parent.postMessage({errors,wide,bare,scroll:page.scrollWidth,width:innerWidth,height:page.scrollHeight,
  charts:document.querySelectorAll(".chart").length},"*");},3000));</script>"""
# The page lies in a frame as wide as the window should be, since Chromium opens none as narrow as a phone.
FRAME = """<!doctype html><meta name="color-scheme" content="light dark"><body style="margin:0">
<iframe src="{page}" style="border:0;display:block;width:{width}px;height:{height}px"></iframe><script>
addEventListener("message",e=>{{const pre=document.createElement("pre");pre.id="report";pre.hidden=true;
pre.textContent=JSON.stringify(e.data);document.body.append(pre);}});</script></body>"""
# What is said of a page that never answers.
SILENT = {"errors": ["the page never finished"], "scroll": 0, "width": 0, "wide": [], "bare": [], "charts": 1}


def main(arguments: list[str]) -> int:
    if not 1 <= len(arguments) <= 2:
        sys.stderr.write("usage: scripts/look page.html [folder]\n")
        return 2
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        sys.stderr.write("scripts/look needs Chromium: apt-get install chromium, or your system's package\n")
        return 2
    page = Path(arguments[0]).resolve()
    folder = Path(arguments[1]).resolve() if len(arguments) > 1 else page.parent
    failed = False
    with tempfile.TemporaryDirectory() as name:
        probed = Path(name) / "page.html"
        probed.write_text(page.read_text("utf-8").replace("<style>", PROBE + "<style>", 1), "utf-8")
        for view, width in WIDTHS.items():
            for scheme, number in SCHEMES.items():
                picture = folder / f"{page.stem}-{view}-{scheme}.png"
                faults = look(browser, Path(name), probed, width, number, picture)
                print(f"{view}, {scheme}: {'; '.join(faults) or 'good'} ({picture})")
                failed = failed or bool(faults)
    return int(failed)


def look(browser: str, folder: Path, page: Path, width: int, scheme: str, picture: Path) -> list[str]:
    """The faults of one view; its picture is taken as tall as the page is."""
    command = [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}"]
    command.append(f"--blink-settings=preferredColorScheme={scheme}")
    report = reported(run([*command, f"--window-size={width},900", "--dump-dom", framed(page, width, 900)]))
    faults = [f"script error: {each}" for each in report["errors"]]
    if report["scroll"] > report["width"]:
        faults.append(f"the page is {report['scroll']} wide in a window of {report['width']}")
    faults += [f"{each} is wider than its place" for each in report["wide"]]
    faults += [f"{each} has no marks" for each in report["bare"]]
    if not report["charts"]:
        faults.append("no chart")
    height = report.get("height", 900)
    run([*command, f"--window-size={width},{height}", f"--screenshot={picture}", framed(page, width, height)])
    return faults


def framed(page: Path, width: int, height: int) -> str:
    """The address of a frame of that size around the page."""
    frame = page.with_name(f"frame-{width}-{height}.html")
    frame.write_text(FRAME.format(width=width, height=height, page=page.as_uri()), "utf-8")
    return frame.as_uri()


def reported(document: str) -> dict[str, Any]:
    found = re.search(r'<pre id="report"[^>]*>(.*?)</pre>', document, re.DOTALL)
    return json.loads(unescape(found[1])) if found else SILENT


def run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
