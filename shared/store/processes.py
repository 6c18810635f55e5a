"""Identity of a process across restarts and containers, to see whether the holder of a lease has ended.

Linux only (/proc); elsewhere leases have to expire.
"""

import os
from pathlib import Path

from shared.digits import read_digits

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")


def this_process() -> str:
    """Unique name of this process: machine and boot, pid namespace, pid, start time. "" if unknown."""
    place, pid = _place(), os.getpid()
    start = _start(pid)
    return f"{place} {pid} {start}" if place and start else ""


def is_gone(process: str) -> bool:
    """Whether a process is known to have ended; False where that cannot be seen from here."""
    place, _, rest = process.partition(" ")
    pid, _, start = rest.partition(" ")
    number = read_digits(pid)
    return bool(place) and place == _place() and number is not None and _start(number) != start


def _place() -> str:
    try:
        # Containers share the boot id; a pid is meaningful in its own namespace only.
        return f"{_BOOT.read_text().strip()}/{_NAMESPACE.readlink()}"
    except OSError:
        return ""


def _start(pid: int) -> str:
    """Ticks since boot at which a process started (field 22 of proc(5) stat), "" if there is none or a zombie is."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
