import msgspec
import pytest

from inference.serving.protocol import (
    MOST_VALUES,
    NO_ANSWER,
    Prediction,
    ProjectRef,
    RequestError,
    decode_predict,
    decode_setup,
    decode_task,
    encode_results,
    is_interactive,
    parse_project,
)
from shared.labelling.label_config import LONGEST_CONFIG


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("3.1795475439", ProjectRef(3, "1795475439")),
        ("3", ProjectRef(3)),
        (3, ProjectRef(3)),
        (None, None),
        ("", None),
        ("0", ProjectRef(0)),
    ],
)
def test_a_project_is_read_in_each_form_there_is(value: str | int | None, expected: ProjectRef | None) -> None:
    assert parse_project(value) == expected


@pytest.mark.parametrize("value", ["../3", "3/..", "-1", "3.x", "٣", "1e3", "9" * 30, " 3", ".3"])
def test_a_project_is_digits_and_nothing_else(value: str) -> None:
    with pytest.raises(RequestError, match="must be"):
        parse_project(value)


def test_one_malformed_task_does_not_spoil_the_batch() -> None:
    call = decode_predict(b'{"tasks":[{"id":1,"data":{"csv_url":"a.csv"}},7,{"id":3}],"project":"3.17"}')
    assert decode_task(call.tasks[0]).id == 1
    for raw in call.tasks[1:]:
        with pytest.raises(RequestError, match="not a task"):
            decode_task(raw)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"tasks":3}', b"\xff\xfe", b'{"tasks":[', b"[" * 100_000])
def test_a_body_that_is_no_batch_is_refused_with_a_sentence(body: bytes) -> None:
    with pytest.raises(RequestError, match="The body is not"):
        decode_predict(body)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"tasks":[' + b"0," * 40_000 + b"0]}", "40001 tasks, at most 32768"),
        (b'{"tasks":[],"x":[' + b"[]," * MOST_VALUES + b"0]}", "more than 2097152 values"),
        (b'{"tasks":[],"x":' + b"[" * (MOST_VALUES + 1), "more than 2097152 values"),
    ],
    ids=["tasks", "values", "depth"],
)
def test_a_body_that_would_cost_too_much_is_refused_with_a_sentence(body: bytes, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        decode_predict(body)


def test_a_schema_beyond_what_is_read_is_refused() -> None:
    body = b'{"project":"3","schema":"' + b"x" * (LONGEST_CONFIG + 1) + b'"}'
    with pytest.raises(RequestError, match="1048577 characters"):
        decode_setup(body)


def test_setup_needs_a_project() -> None:
    with pytest.raises(RequestError, match="project"):
        decode_setup(b'{"schema":"<View/>"}')


@pytest.mark.parametrize(
    ("params", "expected"),
    [("null", False), ('{"context":null}', False), ('{"context":{"result":[]}}', True), ("[]", False), ("3", False)],
)
def test_a_request_from_the_editor_is_recognized_by_its_context(params: str, expected: bool) -> None:
    call = decode_predict(f'{{"tasks":[],"params":{params}}}'.encode())
    assert is_interactive(call) is expected


def test_parameters_that_are_no_text_are_no_context() -> None:
    assert is_interactive(decode_predict(b'{"tasks": [], "params": {"context": {"\xed\xa0\x80": 1}}}')) is False


def test_results_keep_their_order_and_shape() -> None:
    body = encode_results([Prediction(result=[], score=0.5, model_version="v"), NO_ANSWER])
    assert msgspec.json.decode(body) == {"results": [{"result": [], "score": 0.5, "model_version": "v"}, []]}


def test_half_a_character_in_one_task_costs_no_other() -> None:
    call = decode_predict(b'{"tasks":[{"data":{"a\\ud800":"\\udc00"}},{"id":2,"data":{"csv_url":"\\ud83d\\ude00"}}]}')
    assert decode_task(call.tasks[1]).id == 2
