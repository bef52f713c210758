"""Signals in real processes: the event, the exit code, and the end of one that hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress

import pytest

# The interrupted context has a deadline of its own: a `finally` may hang, too.
COMMAND = """
import sys, time
from anthropic_metrics.signals import exit_code, interrupting, until_asked
with interrupting(longest=0.2):
    {block}
sys.exit(exit_code())
"""
ASKED = """with until_asked({options}) as stop:
        print("ready", flush=True)
        {wait}"""
HANGING = """try:
        print("ready", flush=True)
        time.sleep(600)
    finally:
        time.sleep({seconds})"""
# Who runs the tests may have it ignored, as nohup has.
HEARD = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)"
ALL = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


def ended(number: signal.Signals, block: str) -> int:
    """The exit code of a process that gets the signal in the block."""
    code = HEARD + COMMAND.format(block=block)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        return process.wait(60)


@pytest.mark.parametrize(("number", "code"), ALL)
def test_a_signal_sets_the_event_and_the_code_is_128_and_its_number(
    number: signal.Signals, code: int
) -> None:
    assert ended(number, ASKED.format(options="", wait="stop.wait()")) == code


@pytest.mark.parametrize(
    ("options", "code"), [("longest=0.2", 143), ("longest=0.2, code=0", 0)], ids=["command", "daemon"]
)
def test_a_process_that_hangs_in_spite_of_the_event_is_ended(options: str, code: int) -> None:
    assert ended(signal.SIGTERM, ASKED.format(options=options, wait="time.sleep(600)")) == code


def test_a_daemon_ends_after_a_hang_up_as_after_sigterm() -> None:
    assert ended(signal.SIGHUP, ASKED.format(options="code=0", wait="stop.wait(); sys.exit(0)")) == 0


def test_a_hang_up_stays_ignored_where_nohup_has_it_ignored() -> None:
    block = ASKED.format(
        options="",
        wait="signal.raise_signal(signal.SIGHUP); assert signal.SIG_IGN is signal.getsignal(signal.SIGHUP)",
    )
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)" + COMMAND.format(block=block)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")  # the code that no signal has changed


def test_a_second_signal_does_not_break_off_the_clean_up_after_the_first() -> None:
    """A wait's own clean-up, broken off, fails to give back a lock that it has not got back."""
    block = """try:
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        print("cleaned up", flush=True)"""
    code = "import signal" + COMMAND.format(block=block)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "cleaned up\n"
    assert "KeyboardInterrupt" in done.stderr
    assert "SystemExit" not in done.stderr


def test_further_signals_do_not_put_off_the_end_of_a_process_that_hangs() -> None:
    block = ASKED.format(options="longest=0.5", wait="time.sleep(600)")
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND.format(block=block)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        for _ in range(600):  # somebody who loses patience
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
                break
        ended_by_itself = process.returncode
        process.kill()
    assert ended_by_itself == 143


@pytest.mark.parametrize(("number", "code"), ALL)
def test_a_command_without_an_event_is_broken_off_and_ended_when_its_end_hangs(
    number: signal.Signals, code: int
) -> None:
    assert ended(number, HANGING.format(seconds=600)) == code
    # Python itself ends after an interrupt by the signal.
    assert ended(number, HANGING.format(seconds=0)) in (code, -number)
