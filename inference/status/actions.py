"""What the pages' buttons ask for: train, stop, roll back, promote, confirm a renamed label or undo that."""

from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from inference.json_response import json_answer, read_body
from inference.operations import ThreadPools, Trainings, Versions
from inference.operations.labels import Labels
from inference.operations.operator_log import Actor
from inference.status.responses import GUARDS, Responses, wants_json
from shared.digits import read_digits
from shared.errors import SegmenterError, StoreError
from shared.retraining.accepted_labels import AcceptedLabel
from shared.settings import Settings

LARGEST_FORM = 4096  # bytes
LARGEST_NUMBER = 10**15  # of projects, tasks, rows
NOTICES = {
    "train": "A training was asked for; it starts as soon as there is room.",
    "stop": "The run was asked to stop.",
    "idle": "Nothing was running.",
    "roll-back": "The version before serves again, everywhere within a second.",
    "alias": "The renamed label was confirmed; a training starts.",
    "unalias": "The label is read as itself again; a training starts.",
    "looks-right": "The annotation is not suspected any more.",
    "looks-wrong": "The annotation is suspected again.",
    "promote": "That version serves now, everywhere within a second.",
}


def actor_of(request: Request, settings: Settings) -> Actor:
    """Who asks: the name of the credentials, and the address of the connection."""
    name = settings.basic_auth_user or "somebody (no credentials are set)"
    return Actor(name=name, address=request.client.host if request.client else "")


class Actions:
    """One method an action; each returns the name of its notice."""

    def __init__(
        self,
        settings: Settings,
        pools: ThreadPools,
        responses: Responses,
        trainings: Trainings,
        versions: Versions,
        labels: Labels,
    ) -> None:
        self._settings = settings
        self._pools = pools
        self._responses = responses
        self._trainings = trainings
        self._versions = versions
        self._labels = labels

    async def act(self, request: Request) -> Response:
        """Do what a button asks for, and go back to the project's page."""
        number, action = request.path_params["project"], request.path_params["action"]
        back = f"../{number}"
        actions: dict[str, Callable[[int, Mapping[str, str], Actor], str]] = {
            "train": self._train,
            "stop": self._stop,
            "roll-back": self._roll_back,
            "promote": self._promote,
            "alias": self._alias,
            "unalias": self._unalias,
            "looks-right": self._looks_right,
            "looks-wrong": self._looks_wrong,
        }
        if action not in actions or number >= LARGEST_NUMBER:
            return self._responses.failure(request, "There is no such action.", 404, back)
        form = parse_qs((await read_body(request, LARGEST_FORM)).decode(errors="replace"))
        fields = {name: values[0] for name, values in form.items()}
        if action == "promote" and not fields.get("version"):
            return self._responses.failure(request, "Expected version=…: the one that shall serve.", 400, back)
        try:
            actor = actor_of(request, self._settings)
            done = await self._pools.run_in_io_pool(actions[action], number, fields, actor)
        except StoreError as error:
            return self._responses.failure(request, str(error), 503, back)
        except SegmenterError as error:
            return self._responses.failure(request, str(error), 409, back)
        if wants_json(request):
            return json_answer({"done": NOTICES[done]}, headers=GUARDS)
        return RedirectResponse(f"{back}?done={done}", 303, GUARDS)

    def _train(self, project: int, _: Mapping[str, str], actor: Actor) -> str:
        self._trainings.start(project, actor)
        return "train"

    def _stop(self, project: int, _: Mapping[str, str], actor: Actor) -> str:
        return "stop" if self._trainings.stop(project, actor) else "idle"

    def _roll_back(self, project: int, _: Mapping[str, str], actor: Actor) -> str:
        self._versions.roll_back(project, actor)
        return "roll-back"

    def _promote(self, project: int, fields: Mapping[str, str], actor: Actor) -> str:
        self._versions.promote(project, fields["version"], actor)
        return "promote"

    def _alias(self, project: int, fields: Mapping[str, str], actor: Actor) -> str:
        self._labels.confirm(project, fields.get("old", ""), fields.get("new", ""), actor)
        return "alias"

    def _unalias(self, project: int, fields: Mapping[str, str], actor: Actor) -> str:
        self._labels.undo(project, fields.get("old", ""), actor)
        return "unalias"

    def _looks_right(self, project: int, fields: Mapping[str, str], actor: Actor) -> str:
        self._labels.accept(project, _annotation(fields), actor)
        return "looks-right"

    def _looks_wrong(self, project: int, fields: Mapping[str, str], actor: Actor) -> str:
        self._labels.suspect(project, _annotation(fields), actor)
        return "looks-wrong"


def _annotation(fields: Mapping[str, str]) -> AcceptedLabel:
    """The annotation that a form names. Rows that are none are refused where it is stored."""
    first, last = (read_digits(fields.get(name, ""), 15) for name in ("first", "last"))
    return AcceptedLabel(
        task=fields.get("task", ""),
        first=-1 if first is None else first,
        last=-1 if last is None else last,
        annotated=fields.get("annotated", ""),
        decoded=fields.get("decoded", ""),
    )
