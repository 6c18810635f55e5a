"""`python -m inference models`: list, verify, export, import and delete models of the store."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inference.formatting import figure, size
from inference.monitoring.reports import Reports
from shared.errors import ModelError, RefusedError, SegmenterError
from shared.label_studio.cache import RecordingCache
from shared.model_file.card import decode_card
from shared.model_file.onnx_file import check_seal, read_metadata
from shared.segmentation.segmenter import ProjectModel
from shared.settings import Settings
from shared.store.keys import read_project
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.projects import KnownProjects


def configure(parser: argparse.ArgumentParser) -> None:
    """Verbs of `models`, each with its arguments."""
    parser.epilog = f"example: {parser.prog} list --json"
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    json = argparse.ArgumentParser(add_help=False)
    json.add_argument("--json", action="store_true", help="write JSON to stdout")

    each = verbs.add_parser("list", parents=[json], help="all kept versions with their metrics")
    each.add_argument("--project", metavar="N", help="default: all")
    each = verbs.add_parser("verify", parents=[json], help="check checksum, card, shapes and probe of every model")
    each.add_argument("--project", metavar="N", help="default: all")
    each = verbs.add_parser("export", parents=[json], help="write a version to a file")
    each.add_argument("--project", required=True, metavar="N")
    each.add_argument("--version", metavar="VERSION", help="default: the one that serves")
    each.add_argument("file", metavar="FILE.onnx")
    each = verbs.add_parser("import", parents=[json], help="keep a version from a file, to be promoted")
    each.add_argument("file", metavar="FILE.onnx")
    each = verbs.add_parser("delete", parents=[json], help="permanently delete models, updates and runs of a project")
    each.add_argument("--project", required=True, metavar="N")
    each.add_argument("--yes", action="store_true", help="confirm")


def main(options: argparse.Namespace, settings: Settings) -> int:
    """Run the verb."""
    command = ModelsCommand(settings, as_json=options.json)
    match options.verb:
        case "list":
            return command.show(options.project)
        case "verify":
            return command.verify(options.project)
        case "export":
            return command.export(options.project, options.version, options.file)
        case "import":
            return command.import_version(options.file)
        case _:
            return command.delete(options.project, sure=options.yes)


class ModelsCommand:
    """One method a verb; each returns an exit code."""

    def __init__(self, settings: Settings, *, as_json: bool) -> None:
        storage = open_storage(settings.model_dir, settings.new_store)
        self._store = ModelStore(storage, keep_versions=settings.keep_versions)
        self._known = KnownProjects(storage)
        self._cache = (
            RecordingCache(Path(settings.cache_dir), settings.cache_max_mb * 2**20) if settings.cache_dir else None
        )
        self._json = as_json

    def show(self, project: str | None) -> int:
        """All kept versions with their metrics."""
        rows = []
        reports = Reports(self._store)
        for number in self._projects(project):
            for each in self._store.versions(number):
                summary = reports.summary(number, each.name)
                rows.append(
                    {
                        "project": number,
                        "version": each.name,
                        "standing": "serves" if each.current else "kept" if each.accepted else "rejected",
                        "recordings": summary.recordings,
                        "balanced_accuracy": figure(summary.estimates.get("balanced_accuracy")),
                        "segment_f1_50": figure(summary.estimates.get("segment_f1_50")),
                        "bytes": self._store.size(number, each.name),
                    }
                )
        if self._json:
            return self._write(rows)
        line = "{:>8}  {:<34} {:<9} {:>10}  {:<16} {:<16} {:>9}\n"
        heads = ("project", "version", "status", "recordings", "balanced acc.", "segment F1@50", "size")
        sys.stdout.write(line.format(*heads) if rows else "There are no models yet.\n")
        for row in rows:
            *cells, count = row.values()
            sys.stdout.write(line.format(*map(str, cells), size(int(str(count)))))
        return 0

    def verify(self, project: str | None) -> int:
        """Check checksum, card, shapes and probe of every model. Returns 1 if one fails."""
        found = [check for number in self._projects(project) for check in self._checks(number)]
        if self._json:
            self._write(found)
        for each in found if not self._json else ():
            sys.stdout.write(f"{'✗' if each['error'] else '✓'} project {each['project']}: {each['version']}")
            sys.stdout.write(f"\n    {each['error']}\n" if each["error"] else "\n")
        return int(any(each["error"] for each in found))

    def export(self, project: str, version: str | None, file: str) -> int:
        """Write a version (default: the one that serves) to a file."""
        number = read_project(project)
        found = self._store.load_version(number, version) if version else self._store.current(number)
        if found is None:
            raise RefusedError(f"Project {number} has no version {version or 'that serves'}.")
        try:
            Path(file).write_bytes(found.data)
        except OSError as error:
            raise RefusedError(f"{file} cannot be written: {error.strerror}.") from None
        answer = {"project": number, "version": found.model_info.version, "file": file, "bytes": len(found.data)}
        return self._write(answer, f"Version {found.model_info.version} of project {number} is in {file}.")

    def import_version(self, file: str) -> int:
        """Keep a model from a file, after all checks; it serves when it is promoted."""
        try:
            data = Path(file).read_bytes()
        except OSError as error:
            raise RefusedError(f"{file} cannot be read: {error.strerror}.") from None
        check_seal(data)
        project = decode_card(read_metadata(data).get("card", "")).project
        ProjectModel.load(data)
        version = self._store.import_version(project, data)
        promote = f"python -m inference promote --project {project} {version}"
        return self._write({"project": project, "version": version}, f"It is stored; to let it serve: {promote}")

    def delete(self, project: str, *, sure: bool) -> int:
        """Permanently delete models, updates and runs of a project, and the cached recordings of all projects."""
        number = read_project(project)
        if not sure:
            raise RefusedError(
                f"This deletes all {len(self._store.versions(number))} versions of project {number}, its waiting "
                "updates and its runs permanently, and empties CACHE_DIR: confirm with --yes."
            )
        count = self._store.delete(number)
        cached = self._cache.clear() if self._cache else 0
        answer = {"project": number, "deleted": count, "cached": cached}
        return self._write(answer, f"{count} objects of project {number} and {cached} cached recordings are deleted.")

    def _projects(self, project: str | None) -> Iterator[int]:
        if project is not None:
            yield read_project(project)
        else:
            yield from sorted({*self._store.projects(), *self._known.ids()})

    def _checks(self, project: int) -> Iterator[dict[str, Any]]:
        names: list[str | None] = [each.name for each in self._store.versions(project)]
        for name in (None, *names):
            error = ""
            try:
                stored = self._store.current(project) if name is None else self._store.load_version(project, name)
                if stored is None:
                    continue
                ProjectModel.load(stored.data)
                shown = f"{stored.model_info.version} (serves)" if name is None else name
            except ModelError as reason:
                error, shown = str(reason), name or "the model that serves"
            except SegmenterError as reason:
                error, shown = f"It cannot be read: {reason}", name or "the model that serves"
            yield {"project": project, "version": shown, "error": error}

    def _write(self, answer: object, sentence: str = "") -> int:
        sys.stdout.write((json.dumps(answer, indent=1) if self._json else sentence) + "\n")
        return 0
