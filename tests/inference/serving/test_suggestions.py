"""Suggestions in an open task: what may be replaced, what stays as a person left it, and what never comes back."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from starlette.testclient import TestClient

from inference.serving.suggestions import Layout, suggest
from shared.labelling.label_config import parse_label_config
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.model_file.card import InstantHead, RangeHead
from tests.inference.conftest import CONFIG, Publish, Serve, batch

Json = dict[str, Any]
# Run in 10 to 29, 50 to 69 and 90 to 109, Walk in all other rows
VALUES = ([0.0] * 10 + [1.0] * 20 + [0.0] * 10) * 3


class Page:
    """The labelling page: regions of the open task, what it sends, and what becomes of the answer."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.task: Json = {"id": 1, "data": {"csv_url": {"value": VALUES}}, "project": 3}
        body = {"tasks": [self.task], "project": "3.1795475439", "label_config": CONFIG}
        (answer,) = client.post("/predict", json=body).json()["results"]
        self.predicted: list[Json] = answer["result"]
        self.task |= {"drafts": [], "annotations": [], "predictions": [{"id": 7, "result": self.predicted}]}
        self.regions: dict[str, Json] = {each["id"]: json.loads(json.dumps(each)) for each in self.predicted}

    def ask(self, label: str, *, empty: bool = False) -> list[Json]:
        """Send the regions of a label, and take all of the answer."""
        context = [] if empty else [each for each in self.regions.values() if label_of(each) == label]
        params = {"context": {"result": context}, "login": None, "password": None}
        body = {"tasks": [self.task], "project": "3.1795475439", "label_config": CONFIG, "params": params}
        (answer,) = self.client.post("/predict", json=body).json()["results"]
        found: list[Json] = answer["result"]
        self.regions |= {each["id"]: each for each in found}
        return found

    def save(self, user: str = "ann") -> None:
        """Save a draft, as the page does some seconds after a change."""
        moment = datetime.now(UTC).isoformat()
        draft = {"id": len(self.task["drafts"]), "user": user, "updated_at": moment, "result": [*self.regions.values()]}
        self.task["drafts"] = [*self.task["drafts"], json.loads(json.dumps(draft))]

    def at(self, row: int) -> Json:
        """The region that lies on a row."""
        (found,) = [each for each in self.regions.values() if each["value"]["start"] <= row <= each["value"]["end"]]
        return found

    def rows(self) -> list[tuple[int, int, str]]:
        """First row, last row and label of every region."""
        found = [(each["value"]["start"], each["value"]["end"], label_of(each)) for each in self.regions.values()]
        return sorted(found)


def label_of(region: Json) -> str:
    label: str = region["value"]["timeserieslabels"][0]
    return label


def overlaps(rows: Sequence[tuple[int, int, str]]) -> list[Any]:
    return [(one, other) for one, other in pairwise(rows) if other[0] <= one[1]]


@pytest.fixture
def page(serve: Serve, publish: Publish) -> Iterator[Page]:
    publish()
    with serve() as client:
        found = Page(client)
        assert found.rows() == [
            (0, 9, "Walk"), (10, 29, "Run"), (30, 49, "Walk"), (50, 69, "Run"), (70, 89, "Walk"), (90, 109, "Run"),
            (110, 119, "Walk"),
        ]  # fmt: skip
        yield found


def test_a_shortened_region_stays_and_its_label_does_not_come_back_behind_it(page: Page) -> None:
    page.at(20)["value"]["end"] = 24
    page.ask("Run")
    assert page.rows()[:3] == [(0, 9, "Walk"), (10, 24, "Run"), (30, 49, "Walk")]
    assert not overlaps(page.rows())


def test_suggestions_are_counted_and_leave_the_tables_of_tasks_alone(page: Page) -> None:
    before = page.client.get("/ui/projects/3.json").json()["least_sure"]
    page.at(20)["value"]["end"] = 35
    page.ask("Run")
    assert [each["segments"] for each in before] == [7]
    assert page.client.get("/ui/projects/3.json").json()["least_sure"] == before
    assert 'outcome="suggestion"' in page.client.get("/metrics").text


def test_what_is_right_already_is_not_sent_again(page: Page) -> None:
    assert page.ask("Run") == []


def test_a_lengthened_region_takes_rows_from_its_neighbour(page: Page) -> None:
    page.at(20)["value"]["end"] = 35
    page.ask("Run")
    assert page.rows()[1:3] == [(10, 35, "Run"), (36, 49, "Walk")]
    assert not overlaps(page.rows())


def test_a_message_that_label_studio_repeats_gets_the_same_answer(page: Page) -> None:
    """On SQLite it repeats a request when its database is locked; the page has not seen the first answer then."""
    page.at(20)["value"]["end"] = 35
    before = json.loads(json.dumps(page.regions))
    first = page.ask("Run")
    page.regions = before
    assert first
    assert page.ask("Run") == first
    assert not overlaps(page.rows())


@pytest.mark.parametrize("said", [False, True])
def test_a_region_of_which_a_person_said_more_is_never_replaced(page: Page, said: bool) -> None:
    walk = json.loads(json.dumps(page.at(45)))
    told = {**walk, "from_name": "sure", "type": "choices", "value": {**walk["value"], "choices": ["yes"]}}
    saved = [*page.predicted, *([told] if said else [])]
    page.task["drafts"] = [{"id": 1, "updated_at": "2026-01-01T00:00:00Z", "result": saved}]
    page.at(15)["value"]["end"] = 39
    page.ask("Run")
    assert (page.at(45) == walk) is said, "the page would lose the choice together with the region"


def test_a_relabelled_region_keeps_its_label_and_place(page: Page) -> None:
    page.at(60)["value"]["timeserieslabels"] = ["Walk"]
    page.ask("Walk")
    assert (50, 69, "Walk") in page.rows()
    assert not overlaps(page.rows())


def test_a_deleted_region_does_not_come_back(page: Page) -> None:
    del page.regions[page.at(60)["id"]]
    page.ask("Run")
    page.ask("Walk")
    assert not any(first <= 69 and last >= 50 and label == "Run" for first, last, label in page.rows())
    page.save()
    page.ask("Run")
    assert not any(first <= 69 and last >= 50 and label == "Run" for first, last, label in page.rows())
    assert not overlaps(page.rows())


def test_a_moved_region_leaves_no_copy_where_it_was(page: Page) -> None:
    moved = page.at(20)
    moved["value"] |= {"start": 12, "end": 31}
    page.ask("Run")
    page.at(60)["value"]["start"] = 52
    page.ask("Run")
    assert [each for each in page.rows() if each[2] == "Run"] == [(12, 31, "Run"), (52, 69, "Run"), (90, 109, "Run")]
    assert not overlaps(page.rows())


def test_a_second_correction_before_the_first_draft_is_saved_undoes_nothing(page: Page) -> None:
    page.at(20)["value"]["end"] = 24
    page.ask("Run")
    page.at(80)["value"]["start"] = 74
    page.ask("Walk")
    assert (10, 24, "Run") in page.rows()
    assert (74, 89, "Walk") in page.rows()
    assert not overlaps(page.rows())


def test_after_the_last_region_of_a_label_was_deleted_nothing_is_suggested_and_it_stays_gone(page: Page) -> None:
    for row in (20, 60):
        del page.regions[page.at(row)["id"]]
        page.ask("Run")
    del page.regions[page.at(100)["id"]]
    assert page.ask("Run", empty=True) == []
    page.at(0)["value"]["start"] = 2
    page.ask("Walk")
    assert not any(label == "Run" for _, _, label in page.rows())


def test_without_a_saved_version_that_holds_the_regions_the_answer_is_an_empty_object(page: Page) -> None:
    page.regions = {"drawn": {**page.at(20), "id": "drawn"}}
    assert page.ask("Run") == []


def test_somebody_elses_draft_does_not_decide(page: Page) -> None:
    mine = json.loads(json.dumps(page.regions))
    page.at(20)["value"]["end"] = 15
    page.save("bob")
    page.regions = mine
    page.at(60)["value"]["end"] = 64
    page.ask("Run")
    assert (10, 29, "Run") in page.rows()
    assert (50, 64, "Run") in page.rows()
    assert not overlaps(page.rows())


@pytest.mark.parametrize("result", [[7, {"id": 3}, {"id": "a", "type": "timeserieslabels"}], 3, None, [[]]])
def test_any_context_gets_an_object(serve: Serve, publish: Publish, result: Any) -> None:
    publish()
    with serve() as client:
        answer = client.post("/predict", content=batch({"value": VALUES}, params={"context": {"result": result}}))
        assert answer.status_code == 200
        assert isinstance(answer.json()["results"][0], dict)


def test_what_a_person_drew_over_a_predicted_region_cuts_it_whatever_is_found_there() -> None:
    loose = {"a": Segment(0, 19, "Run"), "b": Segment(20, 39, "Walk")}
    layout = Layout((Segment(15, 24, "Walk"),), loose, (), (), frozenset(loose))
    config = parse_label_config(CONFIG)
    heads = [RangeHead(labels=("Run", "Walk"), min_rows=(1, 1, 1))]
    axis = TimeAxis.of_rows(40)
    for found in ([], [Segment(0, 14, "Run"), Segment(25, 39, "Walk")], [Segment(0, 39, "Run")]):
        regions = suggest(found, layout, heads, axis, config)
        bounds = {each["id"]: (each["value"]["start"], each["value"]["end"]) for each in regions}
        assert bounds == {"a": (0, 14), "b": (25, 39)}


def test_a_new_region_comes_only_where_nothing_lies_and_nothing_was_deleted() -> None:
    loose, deleted, moved = {"a": Segment(20, 29, "Walk")}, Segment(40, 49, "Run"), Segment(60, 69, "Walk")
    layout = Layout((Segment(0, 9, "Run"),), loose, (deleted,), (moved,), frozenset())
    found = [Segment(0, 9, "Run"), Segment(20, 29, "Walk"), Segment(45, 52, "Walk"), Segment(60, 69, "Run")]
    heads = [RangeHead(labels=("Run", "Walk"), min_rows=(1, 1, 1))]
    (new,) = suggest(found, layout, heads, TimeAxis.of_rows(80), parse_label_config(CONFIG))
    assert (new["value"]["start"], new["value"]["end"]) == (60, 69)


def test_instants_near_what_a_person_set_are_not_suggested_and_others_change_their_label() -> None:
    def instant(row: int, label: str) -> Segment:
        return Segment(row, row, label, instant=True)

    head = InstantHead(labels=("Run", "Walk"), spacing=(5, 5), threshold=(0.5, 0.5), half_width=3)
    layout = Layout((instant(10, "Walk"),), {"a": instant(30, "Run"), "b": instant(50, "Run")}, (), (), frozenset())
    found = [instant(11, "Run"), instant(30, "Run"), instant(51, "Walk"), instant(70, "Walk")]
    regions = suggest(found, layout, [head], TimeAxis.of_rows(80), parse_label_config(CONFIG))
    assert [(each["value"]["start"], label_of(each)) for each in regions] == [(51, "Walk"), (70, "Walk")]
    assert regions[0]["id"] == "b"
