"""Two time series, three label sets, choices about recordings and regions, in a real Label Studio."""

import json

import numpy as np

from examples.demo.client import Client
from tests.e2e.conftest import Serve
from tests.e2e.project import Project, read_card
from tests.support.several_series import CONFIG, PAIRS, draw, overlap

ANNOTATED, UNSEEN = range(1, 7), range(7, 9)
ABOUT_REGIONS = (
    '<Choices name="quality" toName="acc"><Choice value="good"/><Choice value="bad"/></Choices>'
    '<Choices name="mood" toName="acc"><Choice value="glad"/><Choice value="sad"/></Choices>'
    '<Choices name="sure" toName="acc" perRegion="true"><Choice value="yes"/><Choice value="no"/></Choices>'
    '<Number name="pulse" toName="acc" perRegion="true"/><TextArea name="remark" toName="lux" perRegion="true"/>'
)


class SeveralSeries(Project):
    """A project of that configuration; recordings are the tasks' data themselves."""

    def __init__(self, user: Client) -> None:
        self.user = user
        config = CONFIG.replace('valueType="url" value="$csv_url"', 'valueType="json" value="$acc"')
        self.id = user.create_project("several series", config.replace("</View>", f"{ABOUT_REGIONS}</View>"))
        tasks = []
        for number in (*ANNOTATED, *UNSEEN):
            acc, lux, _ = draw(number)
            acc[:, 1] += is_bad(number) * 1.5 * (-1.0) ** np.arange(len(acc))
            columns = {"time": [10 * row for row in range(len(lux))], "lux": lux.round(3).tolist()}
            tasks.append({"acc": dict(zip("ab", acc.round(3).T.tolist(), strict=True)), "lux": columns})
        self.tasks = user.import_tasks(self.id, tasks)


def is_bad(number: int) -> bool:
    """Recordings whose channel b flutters."""
    return number % 2 == 0


def chosen(control: str, choice: str) -> dict[str, object]:
    """What a person says of a recording as a whole."""
    return {"id": control, "from_name": control, "to_name": "acc", "type": "choices", "value": {"choices": [choice]}}


def about(region: dict[str, object], control: str, kind: str, value: object) -> dict[str, object]:
    """What a person says of a region: Label Studio writes it as a result of the region's id and value."""
    return {**region, "from_name": control, "type": kind, "value": {**dict(region["value"]), kind: value}}  # type: ignore[call-overload]


def test_three_label_sets_on_two_series_are_learned_and_predicted(
    user: Client, serve: Serve, figures: dict[str, str]
) -> None:
    with serve("several-series") as server:
        project = SeveralSeries(user)
        backend = project.connect(server.url)
        for number in ANNOTATED:
            regions = draw(number)[2]
            first, last = regions[0], regions[-1]
            quality = chosen("quality", "bad" if is_bad(number) else "good")
            mood = chosen("mood", "glad")
            said = [about(first, "sure", "choices", ["yes"]), about(first, "pulse", "number", 71)]
            said.append(about(last, "remark", "textarea", ["a cloud"]))
            user.annotate(project.tasks[number - 1], project.id, [*regions, *said, quality, mood])
        version = project.wait_until_trained(server.models)
        user.retrieve_predictions(project.id)
        stored = user.predictions(project.id, version)
        kept = {each["id"]: each["annotations"][0]["result"] for each in user.tasks(project.id) if each["annotations"]}
        complaints = server.complaints()
    assert backend
    card = read_card(server.models, project.id)
    assert card is not None
    assert card["schema"] == 2
    found: dict[str, float] = {}
    for number in UNSEEN:
        every = stored[project.tasks[number - 1]]["result"]
        result = [each for each in every if each["type"] == "timeserieslabels"]
        (choice,) = [each for each in every if each["type"] == "choices"]
        assert (choice["from_name"], choice["to_name"]) == ("quality", "acc")
        assert choice["value"] == {"choices": ["bad" if is_bad(number) else "good"]}
        assert 0.5 < choice["score"] <= 1
        assert {(each["from_name"], each["to_name"]) for each in result} == {(c, s) for c, (s, _) in PAIRS.items()}
        for control in PAIRS:
            found[control] = min(found.get(control, 1.0), overlap(result, draw(number)[2], control))
    figures["two series, three label sets: least overlap on unseen tasks"] = json.dumps(found)
    assert min(found.values()) > 0.6
    for result in kept.values():
        kinds = sorted(each["type"] for each in result if each["type"] != "timeserieslabels")
        assert kinds == ["choices", "choices", "choices", "number", "textarea"], "what people said of regions stays"
    assert not [each for each in complaints if "sure" in each or "pulse" in each or "remark" in each]
