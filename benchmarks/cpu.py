"""What a process has used: processor time of all its threads, and memory."""

from __future__ import annotations

import sys
import time

import psutil

_IS_LINUX = sys.platform.startswith("linux")


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used so far: all its threads, in user space and in the kernel."""
    if _IS_LINUX:
        # The scheduler's own clock of another process, as clock_getcpuclockid(3) names it: nanoseconds, no ticks.
        return time.clock_gettime((~pid << 3) | 2)
    used = psutil.Process(pid).cpu_times()
    return used.user + used.system


def resident_mib(pid: int) -> float:
    """The memory that a process holds, in MiB."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20
