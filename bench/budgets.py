"""How long `/v1/budgets/NAME` takes under 1,000 requests a second: `python -m bench.budgets [SECONDS]`.

The server runs in a process of its own, as it does beside the pollers; every request is a connection.
"""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

RATE, SECONDS, CLIENTS, BUDGETS = 1000, 10.0, 4, 20
_SERVE = "serve"


def main(arguments: list[str]) -> int:
    if arguments[:1] == [_SERVE]:
        return serve()
    seconds = float(arguments[0]) if arguments else SECONDS
    with server() as port:
        took, failed = load(port, seconds)
    took.sort()
    sys.stdout.write(
        f"{os.cpu_count()} CPUs: {len(took) / seconds:,.0f} requests a second for {seconds:.0f} s, "
        f"median {1000 * statistics.median(took):.2f} ms, 95 % {1000 * took[int(0.95 * len(took))]:.2f} ms, "
        f"99 % {1000 * took[int(0.99 * len(took))]:.2f} ms, {failed} failed\n"
    )
    return 0


def load(port: int, seconds: float) -> tuple[list[float], int]:
    """Requests at RATE from CLIENTS threads: how long each took from its due time's connection on."""
    took: list[float] = []
    failures: list[str] = []

    def client(number: int) -> None:
        begin = time.perf_counter() + number / RATE
        for turn in range(round(seconds * RATE / CLIENTS)):
            time.sleep(max(0.0, begin + turn * CLIENTS / RATE - time.perf_counter()))
            started = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request("GET", f"/v1/budgets/budget-{turn % BUDGETS}")
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    failures.append(str(answer.status))
            except OSError as error:
                failures.append(type(error).__name__)
            finally:
                connection.close()
            took.append(time.perf_counter() - started)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took, len(failures)


@contextmanager
def server() -> Iterator[int]:
    process = subprocess.Popen(  # this module's own server
        [sys.executable, "-m", "bench.budgets", _SERVE], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def serve() -> int:
    """Budgets with a quarter's history behind each, until the process is ended."""
    from anthropic_metrics.budgets.board import Board, Boards
    from anthropic_metrics.budgets.ledger import DaySum
    from anthropic_metrics.budgets.state import budget_state
    from anthropic_metrics.config import HealthSettings
    from anthropic_metrics.config.budgets import BudgetSettings
    from anthropic_metrics.health import Health, Metrics
    from anthropic_metrics.health_server import HealthServer

    now = datetime.now(UTC)
    days: dict[date, DaySum] = {now.date() - timedelta(days=n): DaySum(Decimal(10 + n)) for n in range(91)}
    board = Board(clock=lambda: datetime.now(UTC))
    states = [
        budget_state(
            BudgetSettings(name=f"budget-{number}", usd=Decimal(900)),
            days,
            now,
            running=True,
            settle_after=timedelta(hours=48),
        )
        for number in range(BUDGETS)
    ]
    board.put(states, now)
    with HealthServer(
        HealthSettings(port=0), Health({}), Metrics.create().registry, Boards({"": board})
    ) as running:
        sys.stdout.write(running.url.rpartition(":")[2] + "\n")
        sys.stdout.flush()
        threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
