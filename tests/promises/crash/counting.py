"""How many faults were made, by kind: a run of `make crash` that made none of a kind fails.

CRASH=short (minutes, for CI) or long (by hand).
"""

import os
from collections import Counter

from tests.support.proxy import FAULTS

LONG = os.environ.get("CRASH", "short") == "long"
# Ways in which Label Studio fails, see test_label_studio_faults.py.
KINDS = (
    "nobody answers",
    "500",
    "401",
    "502 of a proxy",
    "a page to log in",
    "half a body",
    "JSON of something else",
    "redirect to another host",
    "a body that drips",
    "a head that drips",
)
KILLS = 1000 if LONG else 150  # of processes that do the store's operations
REAL_KILLS = 50 if LONG else 4  # of the real server, and as many of the real trainer

# What must have been made at least when all of tests/promises/crash has run.
LEAST = {
    "SIGKILLs at a step of durable code": 500,
    "disk errors at a step of durable code": 700,
    "interleavings of writers": 50,
    "SIGKILLs of processes at the store": KILLS,
    "SIGKILLs of servers": REAL_KILLS,
    "SIGKILLs of trainers": REAL_KILLS,
    "triggers at one moment": 16,
    "runs that stood still": 2,
    "clocks that were wrong": 20,
    "disk errors when reading": 10,
    "files beyond a limit of size": 1,
    **{f"faults of the bucket: {fault}": 5 for fault in FAULTS},
    **{f"faults of Label Studio: {kind}": 4 for kind in KINDS},
}
COUNTS: Counter[str] = Counter()


def missing() -> list[str]:
    """Kinds of which too few were made, in words."""
    return [f"{COUNTS[kind]} {kind}, {least} expected" for kind, least in LEAST.items() if COUNTS[kind] < least]
