"""SIGTERM, SIGHUP and Ctrl-C: an event that every wait can end on, and an end within ten seconds in any case.

A thread notices signals, over a socket that Python's own C handler writes to, so they are noticed while the
main thread hangs in a system call or holds a lock. Stopping is safe anywhere: what was written stays, and the
next pass finds the rest missing.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# `docker stop` kills after ten seconds.
LONGEST = 9.0
# Windows has no hang-up.
_NUMBERS = [number for number in signal.Signals if number.name in ("SIGINT", "SIGTERM", "SIGHUP")]

Handler = Callable[[int, FrameType | None], None]


@contextmanager
def until_asked(
    stop: threading.Event | None = None, *, code: int | None = None, longest: float = LONGEST
) -> Iterator[threading.Event]:
    """An event that SIGTERM, SIGHUP and SIGINT set while the context lasts. For the main thread only.

    A process that is still in the context `longest` seconds after the signal is ended, with `code` or else
    128 and the signal's number.
    """
    stop = stop or threading.Event()
    with _handled(_pass, stop.set, code, longest):
        yield stop


@contextmanager
def interrupting(*, longest: float = LONGEST) -> Iterator[None]:
    """The first signal breaks off what is in the context: SystemExit with 143 or 129, KeyboardInterrupt.

    A process that is still in the context `longest` seconds later is ended. Further signals change nothing:
    one that broke off the clean-up after the first would leave it half done.
    """
    global _is_asked
    _is_asked = False
    try:
        with _handled(_break_off, lambda: None, None, longest):
            yield
    finally:
        if _is_asked:  # the interpreter's own end must not become a traceback either
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def exit_code() -> int:
    """The exit code of a command that a signal has stopped: 130 after Ctrl-C, 143 after SIGTERM, 129 after
    SIGHUP."""
    return 128 + _last_number


def is_asked() -> bool:
    """Whether a signal has asked this process to end."""
    return _is_asked


def name() -> str:
    """The name of the last signal that asked for the end, such as `SIGTERM`."""
    return signal.Signals(_last_number).name


_last_number: int = signal.SIGINT
_is_asked = False


def _pass(number: int, _frame: FrameType | None) -> None:
    """Python's part of a handler; the thread does the rest."""
    global _last_number, _is_asked
    _last_number, _is_asked = number, True


def _break_off(number: int, frame: FrameType | None) -> None:
    if _is_asked:
        return
    _pass(number, frame)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(exit_code())


@contextmanager
def _handled(handler: Handler, ask: Callable[[], object], code: int | None, longest: float) -> Iterator[None]:
    ours, written = socket.socketpair()
    written.setblocking(False)
    thread = threading.Thread(target=_listen, args=(ours, ask, code, longest), name="signals", daemon=True)
    thread.start()
    handlers = {number: signal.signal(number, handler) for number in _NUMBERS if _is_ours(number)}
    wakeup = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, before in handlers.items():
            signal.signal(number, before)
        written.close()
        thread.join()
        ours.close()


def _is_ours(number: signal.Signals) -> bool:
    """`nohup` has hang-ups ignored, and what it starts leaves it at that."""
    return number.name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN


def _listen(ours: socket.socket, ask: Callable[[], object], code: int | None, longest: float) -> None:
    """Wait for a signal; `ask` and end the process if the context does not end in time."""
    number = ours.recv(1)
    if not number:
        return
    ask()
    until = time.monotonic() + longest
    try:
        while (left := until - time.monotonic()) > 0:
            ours.settimeout(left)
            if not ours.recv(1):  # further signals change nothing, the end of the context does
                return
    except TimeoutError:
        pass
    os._exit(128 + number[0] if code is None else code)
