"""How far the forecast of a month's end is off on simulated years of four shapes: the table of the docs.

`python -m bench.forecast [YEARS]` prints it.
"""

from __future__ import annotations

import sys

from tests.harness.forecast_shapes import SHAPES, score

YEARS = 10


def main(arguments: list[str]) -> int:
    years = int(arguments[0]) if arguments else YEARS
    sys.stdout.write("| shape | forecast | same rate as so far | last seven days | within the band |\n")
    sys.stdout.write("|---|---|---|---|---|\n")
    for shape in SHAPES:
        found = score(shape, years)
        shares = (found.forecast, found.same_rate, found.last_seven)
        cells = " | ".join(f"{share:.1%}" for share in shares)
        sys.stdout.write(f"| {shape} | {cells} | {found.covered:.0%} |\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
