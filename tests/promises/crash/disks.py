"""Small volumes that can really be full, or read-only."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SmallDisk:
    """A volume in memory of `kib` KiB."""

    def __init__(self, folder: Path, kib: int) -> None:
        self.folder = folder
        self._filler = folder / "filler"
        self._options = f"size={kib}k"

    def fill(self) -> None:
        """Leave no byte free."""
        with self._filler.open("wb", buffering=0) as filler:
            for size in (2**16, 2**12, 1):
                try:
                    while filler.write(b"x" * size):
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        """Give the space back."""
        self._filler.unlink()

    def write_protect(self, protect: bool = True) -> None:
        """Remount it read-only, or writable again."""
        _mount("-o", f"remount,{'ro' if protect else 'rw'},{self._options}", str(self.folder))


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[SmallDisk]:
    """Mount one. Raises OSError where only the system's administrator may."""
    folder.mkdir()
    disk = SmallDisk(folder, kib)
    _mount("-t", "tmpfs", "-o", disk._options, "tmpfs", str(folder))
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"mount {' '.join(arguments)}: {done.stderr.strip()} (user {os.geteuid()})")
