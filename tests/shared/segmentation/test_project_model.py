"""Models of several series in one file, and which of them answers."""

import pytest
from msgspec.structs import replace

from shared.errors import ModelError
from shared.labelling.snapshots import Snapshot
from shared.model_file.several import join_models, split_models
from shared.segmentation.segmenter import ProjectModel
from shared.store.model_info import read_model_info, read_tail
from tests.support.graphs import make_config, make_model

SNAPSHOT = Snapshot(taken_at="2026-01-01T00:00:00+00:00", newest="", tasks=1, annotations=1, digest="a", fingerprint="")


def test_a_file_of_which_one_model_is_damaged_is_refused_whole() -> None:
    good, damaged = make_model(), bytearray(make_model())
    damaged[len(damaged) // 2] ^= 1
    assert len(ProjectModel.load(join_models([good, good])).segmenters) == 2
    assert split_models(join_models([good, good]))[1] == good
    assert join_models([good]) == good, "a file of one series is as ever"
    with pytest.raises(ModelError, match="damaged or changed"):
        ProjectModel.load(join_models([good, bytes(damaged)]))
    with pytest.raises(ModelError, match="at most 16"):
        join_models([good] * 17)


def model_of(*names: str) -> ProjectModel:
    config = make_config()
    files = [make_model(label_config=replace(config, to_name=name)) for name in names]
    return ProjectModel.load(join_models(files))


def test_each_series_is_answered_by_the_model_of_its_name() -> None:
    config = make_config()
    lux, acc = replace(config, to_name="lux"), replace(config, to_name="acc")
    both = model_of("acc", "lux")
    assert both.label_config.series == (acc, lux)
    found = both.series(replace(lux, others=(acc, replace(config, to_name="new"))))
    assert [(each.config.to_name, each.segmenter.card.label_config.to_name) for each in found] == [
        ("lux", "lux"),
        ("acc", "acc"),
    ]
    assert not both.series(replace(config, to_name="new"))


def test_a_model_of_one_series_answers_whatever_the_tag_is_called_now() -> None:
    config = make_config()
    alone = model_of("ts")
    (found,) = alone.series(replace(config, to_name="signal"))
    assert found.config.to_name == "signal"
    both = replace(config, to_name="new", others=(config,))
    assert [each.config.to_name for each in alone.series(both)] == ["ts"]


def test_version_and_checksum_are_read_from_the_last_bytes_as_ever() -> None:
    files = [make_model(project=1, snapshot=SNAPSHOT) for _ in range(3)]
    data = join_models(files)
    assert read_tail(data[-len(files[0]) :], "", 1) == read_model_info(data, "", 1)
