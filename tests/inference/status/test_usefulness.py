"""What people made of predictions, and how far people and model agree, on the project's page."""

from shared.store.storage import Storage
from tests.inference.conftest import Serve
from tests.inference.status.pages import HTML, at_once, connect, page, store
from tests.support.published import PEOPLE, publish_with_report

__all__ = ["at_once", "store"]  # fixtures


def test_the_page_says_how_useful_predictions_were_and_how_far_people_agree(serve: Serve, store: Storage) -> None:
    publish_with_report(store, "20260101T000000Z-aaaaaa", **PEOPLE)
    with serve() as client:
        connect(client)
        found = page(client, "/ui/projects/3.json")
        assert [each["unchanged"] for each in found["region_use"]] == [14] * 5
        assert [each["f1"] for each in found["agreements"]] == [0.9] * 6
        text = client.get("/ui/projects/3", headers=HTML).text
        metrics = client.get("/metrics").text
    for figure, value in (
        ("predicted_regions_unchanged", 0.7),
        ("model_agreement_f1", 0.9),
        ("annotators_agreement_f1", 0.9),
    ):
        assert f'tss_model_quality{{figure="{figure}",project="3"}} {value}' in metrics
    assert (
        "Of 20 predicted regions people left 70 % as they were, moved 20 %, relabelled 5 % and deleted 5 %; "
        "they drew 3 more." in text
    )
    assert "by F1 0.90 and kappa 0.85 (drawn from nothing F1 0.90 and kappa 0.80, drawn from a prelabel F1" in text
    assert "On 4 recordings, annotators agree with each other by F1 0.90 and kappa 0.90." in text
    assert '<th scope="row">v1</th>' in text, "versions go by their numbers"


def test_nothing_is_said_where_nothing_is_known(serve: Serve, store: Storage) -> None:
    publish_with_report(store, "20260101T000000Z-aaaaaa")
    with serve() as client:
        connect(client)
        assert page(client, "/ui/projects/3.json")["region_use"] == []
        assert "Usefulness" not in client.get("/ui/projects/3", headers=HTML).text
