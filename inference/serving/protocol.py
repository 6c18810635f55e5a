"""Label Studio's messages, in and out. Nothing else in the server knows their JSON shape.

Source: Label Studio 1.23, `label_studio/ml/api_connector.py`; recorded in tests/contract.
"""

import json
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from shared.digits import read_digits
from shared.errors import SegmenterError
from shared.json_values import holds_more_values
from shared.labelling.label_config import LONGEST_CONFIG

UNTRAINED = "untrained"
MOST_VALUES = 1 << 21  # of a body: 150 MiB when decoded, which nothing else may do meanwhile for half a second
MOST_TASKS = 1 << 15  # of a batch: three times the 10^4 that fit into MAX_BODY_MB in practice

T = TypeVar("T")


class RequestError(SegmenterError):
    """A request body that is not what its route expects: answered 400."""


class ProjectRef(msgspec.Struct, frozen=True):
    """The project of a message. `created` differs after a database was recreated; "" when missing."""

    id: int = 0
    created: str = ""


class Task(msgspec.Struct):
    """One task of a batch. `data` values stay undecoded: most are never looked at."""

    data: dict[str, msgspec.Raw]
    id: int | str | None = None
    project: int | str | None = None


class TaskVersions(msgspec.Struct):
    """What Label Studio has saved of a task, sent with interactive suggestions."""

    drafts: Any = None
    annotations: Any = None
    predictions: Any = None


class PredictCall(msgspec.Struct):
    """Body of POST /predict."""

    tasks: list[msgspec.Raw]
    project: int | str | None = None
    label_config: str | None = None
    params: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


class SetupCall(msgspec.Struct):
    """Body of POST /setup."""

    project: int | str
    schema: str = ""
    hostname: str | None = None
    access_token: str | None = None


class Prediction(msgspec.Struct, omit_defaults=True):
    """One task's answer as Label Studio stores it. An empty `result` is stored, too: nothing to see in this task.

    Label Studio does not look at `notes`; people and programs that ask by themselves do.
    """

    result: list[dict[str, Any]]
    score: float
    model_version: str
    notes: tuple[str, ...] = ()  # what was not understood for certain, or why nothing was: sentences


NO_ANSWER: list[Prediction] = []  # in place of a Prediction: Label Studio stores nothing and asks again


_predict_call = msgspec.json.Decoder(PredictCall)
_setup_call = msgspec.json.Decoder(SetupCall)
_task = msgspec.json.Decoder(Task)
_versions = msgspec.json.Decoder(TaskVersions)
_params = msgspec.json.Decoder(dict[str, Any])
_value: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


def decode_predict(body: bytes) -> PredictCall:
    """The batch in a body; its tasks are decoded one by one, so that a bad one spoils only itself."""
    check_values(body)
    try:
        call = _predict_call.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        call = _decode(_predict_call, _mended(body), 'an object with a list "tasks"')
    if len(call.tasks) > MOST_TASKS:
        raise RequestError(f"The batch has {len(call.tasks)} tasks, at most {MOST_TASKS} are taken: send fewer.")
    return call


def check_values(body: bytes) -> None:
    """Raise RequestError on a body that holds more than MOST_VALUES values, before they are made."""
    if holds_more_values(body, MOST_VALUES):
        raise RequestError(
            f"The body holds more than {MOST_VALUES} values: send fewer tasks at a time, and recordings as files."
        )


def _mended(body: bytes) -> bytes:
    """The body with what Label Studio's encoder lets pass and JSON does not have: question marks for half characters
    (lone surrogates), null for NaN and infinities.
    """
    try:
        return json.dumps(json.loads(body, parse_constant=lambda _: None), ensure_ascii=False).encode(
            "utf-8", errors="replace"
        )
    except (ValueError, RecursionError):
        return body


def decode_setup(body: bytes) -> SetupCall:
    """The project that connects."""
    check_values(body)
    call = _decode(_setup_call, body, 'an object with "project" and "schema"')
    if len(call.schema) > LONGEST_CONFIG:
        raise RequestError(f"The schema has {len(call.schema)} characters, at most {LONGEST_CONFIG} are read.")
    return call


def decode_task(raw: msgspec.Raw) -> Task:
    """One task. Raises RequestError unless it is an object with an object `data`."""
    return _decode(_task, raw, 'a task, an object with an object "data"')


def decode_object(body: bytes) -> dict[str, Any]:
    """Any JSON object."""
    check_values(body)
    return _decode(_params, body, "an object")


def decode_value(raw: msgspec.Raw) -> Any:
    """The value of one key of a task's data."""
    return _decode(_value, raw, "a value")


def _decode(decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw, expected: str) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"The body is not {expected}: {error}.") from None


def is_interactive(call: PredictCall) -> bool:
    """Whether an annotator waits in the editor; Label Studio then expects an object, not an empty list."""
    return _context(call) is not None


def read_context(call: PredictCall) -> list[Any] | None:
    """Regions of the open task that interactive suggestions are asked for; None if none are asked for."""
    result = (_context(call) or {}).get("result")
    return result if isinstance(result, list) else None


def _context(call: PredictCall) -> dict[str, Any] | None:
    try:
        context = _params.decode(call.params).get("context")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return context if isinstance(context, dict) else None


def decode_versions(raw: msgspec.Raw) -> TaskVersions:
    """Drafts, annotations and predictions of a task."""
    return _decode(_versions, raw, "a task")


def parse_project(value: int | str | None) -> ProjectRef | None:
    """The project in "3.1795475439", "3" or 3; None in None. Raises RequestError on anything but digits."""
    if value is None or value == "":
        return None
    number, _, created = str(value).partition(".")
    project = read_digits(number)
    if project is None:
        raise RequestError(f'The project is {str(value)[:80]!r}, but must be a number, or "number.creation time".')
    if created and read_digits(created) is None:
        raise RequestError(f"The project's creation time is {created[:80]!r}, but must be digits.")
    return ProjectRef(project, created)


def encode_results(results: Sequence[Prediction | list[Prediction]]) -> bytes:
    """Body of the answer to POST /predict: one result a task, in the order of the tasks."""
    return msgspec.json.encode({"results": results})
