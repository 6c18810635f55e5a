"""Counts of the structure: modules and lines of folders, arrows and floors of packages.

    python -m tests.docs.structure

An arrow is a pair of rooms (folders or modules directly below the package) of which one imports the other; floors are
the rooms on the longest chain of arrows, which ends with an error where they form a circle.
"""

from graphlib import TopologicalSorter

import grimp

from tests.support.paths import ROOT

PACKAGES = ("time_series_segmenter", "shared", "inference", "training")


def arrows(package: str) -> dict[str, set[str]]:
    """For each room of a package, the rooms that it imports."""
    graph = grimp.build_graph(package)
    rooms = sorted(graph.find_children(package))
    for room in rooms:
        graph.squash_module(room)
    return {room: set(graph.find_modules_directly_imported_by(room)) & set(rooms) - {room} for room in rooms}


def floors(imports: dict[str, set[str]]) -> int:
    """Length of the longest chain. Raises graphlib.CycleError if there is a circle."""
    height: dict[str, int] = {}
    for room in TopologicalSorter(imports).static_order():
        height[room] = 1 + max((height[each] for each in imports[room]), default=0)
    return max(height.values())


def main() -> None:
    """Print two tables in Markdown."""
    print("| package | modules | lines | fullest folder | longest module | arrows | floors |")
    print("|---" * 7 + "|")
    folders = []
    for package in PACKAGES:
        lines = {path: len(path.read_text().splitlines()) for path in sorted((ROOT / package).rglob("*.py"))}
        longest = max(lines, key=lambda path: lines[path])
        parents = {path.parent for path in lines}
        counts = {folder: len([*folder.glob("*.py")]) - 1 for folder in parents}  # without __init__.py
        fullest = max(counts, key=lambda folder: counts[folder])
        imports = arrows(package)
        print(
            f"| {package} | {len(lines)} | {sum(lines.values())} | {fullest.relative_to(ROOT)}, {counts[fullest]} | "
            f"{longest.relative_to(ROOT)}, {lines[longest]} | {sum(map(len, imports.values()))} | {floors(imports)} |"
        )
        folders += [
            f"| {folder.relative_to(ROOT)} | {count} | {sum(lines[path] for path in lines if path.parent == folder)} |"
            for folder, count in sorted(counts.items())
        ]
    print("\n| folder | modules | lines |\n|---|---|---|", *folders, sep="\n")


if __name__ == "__main__":
    main()
