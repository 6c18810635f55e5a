"""`tss store copy`: move a store, as from a volume into a bucket."""

import argparse
import sys

from shared.errors import ExitCode, RefusedError
from shared.settings import Settings
from shared.store.keys import CLOCK
from shared.store.opening import open_storage
from shared.store.storage import Storage

SHOWN_EACH = 500  # objects between two lines about progress


def configure(parser: argparse.ArgumentParser) -> None:
    """Verbs of `store`."""
    parser.epilog = f"example: {parser.prog} copy /app/models s3://bucket/prefix"
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    each = verbs.add_parser(
        "copy", help="copy all objects of one store into another; again: what is missing or differs"
    )
    each.add_argument("source", metavar="FROM", help="a folder, or an s3://, gs:// or az:// address")
    each.add_argument("target", metavar="TO", help="the same")


def main(options: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001  every verb is called so
    """Run the verb."""
    source = open_storage(options.source, new="refuse")
    source.check()  # before a target is made for nothing
    return copy(source, open_storage(options.target))


def copy(source: Storage, target: Storage) -> int:
    """Copy what is missing in the target or differs there; nothing is deleted. Stop servers and trainings before.

    Records come before the models that refer to them, and the model that serves comes last, so that a server which is
    started too early finds a model with all its records, or none.
    """
    if source.address == target.address:
        raise RefusedError(f"{source.address} cannot be copied onto itself.")
    names = sorted((key for key in source.keys("") if key != CLOCK), key=lambda key: ("/" not in key, key))
    if not names:
        raise RefusedError(f"There is no store at {source.address}: it is empty.")
    copied = 0
    for place, key in enumerate(names, 1):
        copied += _copy_one(source, target, key)
        if place % SHOWN_EACH == 0:
            sys.stdout.write(f"{place} of {len(names)} objects\n")
    sys.stdout.write(f"{copied} of {len(names)} objects copied to {target.address}, the others were there already.\n")
    return ExitCode.DONE


def _copy_one(source: Storage, target: Storage, key: str) -> bool:
    found = source.get(key)
    if found is None:  # deleted since it was listed
        return False
    there = target.head(key)
    if there is None:
        target.put(key, found.data, create=True)
        return True
    if there.size == len(found.data):
        known = target.get(key)
        if known is not None and known.data == found.data:
            return False
    target.put(key, found.data, if_match=there.tag)
    return True
