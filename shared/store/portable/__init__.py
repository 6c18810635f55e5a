"""A folder as a store on systems without operations relative to an open folder, such as Windows.

For one machine: writers take turns by a file that only one of them can make. On POSIX systems `shared.store.folder`
does the same without turns, for many machines on one volume.
"""

from shared.store.portable.portable_folder import PortableFolder
from shared.store.portable.turns import TURN_SECONDS, is_needed, turn

__all__ = ["TURN_SECONDS", "PortableFolder", "is_needed", "turn"]
