"""Runs a program to its end and says what it cost."""

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass


class Failed(Exception):
    """The program did not succeed: its figures would mean nothing."""


@dataclass(frozen=True)
class Cost:
    """What one run cost."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    output: str


def run(command: list[str], environment: dict[str, str] | None = None) -> Cost:
    """Wall time, CPU time and peak resident memory of one process (its own, not its parent's)."""
    # What the run before has written is not written to disk while this one is measured.
    os.sync()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, **(environment or {})})
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            raise Failed(f"{' '.join(command)} ended with {process.returncode}:\n{err.read()[-2000:]}")
        cpu = usage.ru_utime + usage.ru_stime
        return Cost(seconds, cpu, usage.ru_maxrss / 1024, out.read())
