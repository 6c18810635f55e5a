"""Hostile input, generated: JSON, tasks, labelling configurations, recordings as CSV, and whole requests."""

import json
import math
import random
from typing import Any, NamedTuple
from urllib.parse import quote

from hypothesis import strategies as st

from tests.promises.hostile.messages import VALUES, label_config

characters = st.characters(exclude_categories=())  # lone surrogates, too
texts = st.text(characters, max_size=20)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | texts
    | st.sampled_from([10**400, -0.0, 1e308, "", "\0", "NaN", "__proto__", "../../etc/passwd", "3", "3.17", "<script>"])
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)
projects = st.sampled_from(["3", 3, "3.17", 5, 6, 7, 8, 9, None]) | leaves

cells = (
    st.floats().map(str)
    | st.sampled_from(
        [
            "",
            "1",
            "0",
            "-1",
            "1e999",
            "nan",
            "inf",
            "1,5",
            "0x10",
            '"',
            '""',
            '"a',
            "\0",
            " ",
            "true",
            "é",
            "\ud800",
            "2024-01-01",
            "12:30:00.123456789",
            "99999-99-99",
            "1_000",
            "１２",
            "\ufeff1",
            "=1+1",
            "a" * 300,
        ]
    )
    | texts
)
separators = st.sampled_from([",", ";", "\t", " ", "|", "", "\0"])
line_ends = st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\0\n", "\u2028"])
encodings = st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig"])


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A recording that looks like a CSV from afar."""
    separator, end = draw(separators), draw(line_ends)
    header = draw(st.lists(st.sampled_from(["value", "time", "VALUE", "0", "1", "", '"value"']) | cells, max_size=5))
    width = st.integers(0, 6)
    rows = draw(st.lists(st.lists(cells, min_size=draw(width), max_size=6), max_size=12))
    text = end.join(separator.join(row) for row in [header, *rows])
    encoding = draw(encodings)
    return text.encode(encoding, errors="replace" if encoding == "latin-1" else "surrogatepass")


recordings = (
    tables()
    | st.binary(max_size=200)
    | values.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(["value", "time", "Value"]), st.lists(leaves, max_size=8) | leaves).map(
        lambda value: json.dumps(value).encode()
    )
    | st.sampled_from(
        [
            b"",
            b"\xff\xfe",
            b"PK\x03\x04",
            b"\x1f\x8b\x08",
            b"<html>",
            b"{",
            b"[1]",
            b"value\n" * 1000,
            b"\0" * 1000,
            b"value\n" + b"1\n" * 500,
            b"," * 5000,
            b'"' * 5000,
            b"value\n" + b"1" * 5000,
            b"{" * 3000,
            b"[" * 3000,
        ]
    )
)

attributes = st.dictionaries(
    st.sampled_from(["name", "toName", "value", "valueType", "timeColumn", "timeFormat", "sep", "column", "alias"]),
    st.sampled_from(
        ["ts", "label", "$csv_url", "$a.b[0]", "json", "url", "time", "%Y-%m-%d", "%Q%Q", ",", "\t", "auto"]
    )
    | texts,
    max_size=4,
)
names = st.sampled_from(["View", "TimeSeries", "TimeSeriesLabels", "Label", "Channel", "MultiChannel", "Style", "x:y"])


def _tag(name: str, inner: str, given: dict[str, str]) -> str:
    written = "".join(f' {key}="{value}"' for key, value in given.items())
    return f"<{name}{written}>{inner}</{name}>"


def pairs(n: int) -> str:
    """Controls without a target beside as many time series: each refusal could list them all."""
    controls = '<TimeSeriesLabels name="l" toName="x"/>' * n
    objects = "".join(f'<TimeSeries name="t{i}" value="$v"><Channel column="a"/></TimeSeries>' for i in range(n))
    return f"<View>{controls}{objects}</View>"


configs = (
    st.recursive(
        st.builds(_tag, names, st.just(""), attributes),
        lambda inner: st.builds(_tag, names, st.lists(inner, max_size=3).map("".join), attributes),
        max_leaves=8,
    )
    | st.sampled_from(
        [
            "", "<", "<View/>", "<View>" * 500, "<View>" * 500 + "</View>" * 500, "<!DOCTYPE x>", "\ufeff<View/>",
            '<?xml version="1.0" encoding="utf-16"?><View/>', "<View>&undefined;</View>", "<View>\0</View>",
            '<!DOCTYPE a [<!ENTITY x "y">]><View>&x;</View>', '<!DOCTYPE a SYSTEM "file:///etc/passwd"><View/>',
            '<!DOCTYPE a [<!ENTITY x SYSTEM "http://127.0.0.1:1/">]><View>&x;</View>', "<View>]]></View>",
            label_config("url").replace('"value"', '"0"'), pairs(60),
            label_config("url", *(f"l{i}" for i in range(500))),
        ]
    )
    | texts
)  # fmt: skip


class Request(NamedTuple):
    """What is sent, and what must come of it."""

    method: str
    path: str
    body: bytes | None
    tasks: int = -1  # of a batch that is well-formed: as many results must come
    passing: int = -1  # place of the task with a temporary error: its result must be []
    sane: int = -1  # place of the task that nothing is wrong with: one region
    headers: dict[str, str] = {}  # noqa: RUF012  never changed


@st.composite
def batches(draw: st.DrawFn, url: str, served: dict[str, bytes]) -> Request:
    """A batch with hostile tasks, one whose recording cannot be had now, and one that is as it should be."""
    tasks: list[Any] = []
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.integers(0, 3))
        if kind == 0:
            tasks.append(draw(values))
            continue
        value: Any = draw(values)
        if kind == 1 and draw(st.booleans()):
            value = {"value": draw(st.lists(st.sampled_from([0.0, math.nan, math.inf, -math.inf, None]), max_size=8))}
        if kind > 1:
            name = f"/{len(served)}.csv"
            served[name] = draw(recordings)
            value = url + name
        tasks.append({"id": draw(leaves), "data": {"csv_url": value}, "project": draw(projects)})
    plain = draw(st.booleans())
    config: Any = label_config("url") if plain else draw(configs | values)
    passing, sane = len(tasks), len(tasks) + 1
    problem = draw(st.sampled_from(["/500", "/503", "/404", "/drop", "/half", "/empty", "/loop"]))
    tasks.append({"id": 1, "data": {"csv_url": url + problem}})
    tasks.append({"id": 2, "data": {"csv_url": {"value": VALUES}}})
    body: dict[str, Any] = {"tasks": tasks, "project": "3.17", "label_config": config}
    if not plain:
        body |= {"params": draw(values)} if draw(st.booleans()) else {}
    good_config = plain or config is None or config == ""
    interactive = isinstance(body.get("params"), dict) and isinstance(body["params"].get("context"), dict)
    sent = json.dumps(body).encode()  # NaN and infinities as Label Studio writes them, although they are no JSON
    if not good_config and not isinstance(config, str):
        return Request("POST", "/predict", sent)
    return Request(
        "POST",
        "/predict",
        sent,
        len(tasks),
        passing if good_config and not interactive else -1,
        sane if good_config else -1,
    )


def others(paths: list[str]) -> st.SearchStrategy[Request]:
    """Any JSON to any route that takes some, and any query to any route."""
    bodies = st.builds(
        lambda path, body: Request("POST", path, json.dumps(body).encode()),
        st.sampled_from(paths),
        values
        | st.fixed_dictionaries(
            {},
            optional={
                "action": st.sampled_from(["PROJECT_UPDATED", "X", "TASKS_CREATED"]) | leaves, "project": values,
                "annotation": values, "annotations": values, "task": values, "tasks": values, "schema": configs,
                "config": configs | values, "job": leaves, "hostname": leaves, "access_token": leaves,
            },
        ),
    )  # fmt: skip
    queries = st.builds(
        lambda path, key, value: Request("GET", f"{path}?{key}={quote(str(value), errors='replace')}", None),
        st.sampled_from(
            ["/versions", "/job_status", "/is_training", "/ui/projects/3/task.json", "/ui/projects/3.json"]
        ),
        st.sampled_from(["project", "job", "number", "first", "last", "done"]),
        leaves,
    )
    return bodies | queries


odd_ids = st.sampled_from(["3", "0", "-1", "９", "3.5", "1e3", "%00", "..", "3%0d%0aX:%20y"]) | st.sampled_from(
    [18, 19, 4300, 4301, 5000]
).map("9".__mul__)
odd_names = st.sampled_from(
    [
        "style.css",
        "..%2fpages.py",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "....//x",
        "%00",
        "x" * 5000,
        "20261123T231501Z-9f3c2a",
    ]
)
odd_headers = st.dictionaries(
    st.sampled_from(
        ["Origin", "Host", "Referer", "X-Request-ID", "X-Forwarded-For", "Sec-Fetch-Site", "Authorization"]
    ),
    st.sampled_from(
        [
            "http://[",
            "http://[::1",
            "[",
            "[::1]:9090",
            "null",
            "",
            "localhost:99999",
            "evil.example",
            "Basic !",
            "x" * 9000,
        ]
    ),
    max_size=3,
)


def odd_requests() -> st.SearchStrategy[Request]:
    """Ids, names and headers that no client sends."""
    paths = st.builds(
        lambda form, number, name: form.format(id=number, name=name),
        st.sampled_from(
            [
                "/ui/projects/{id}", "/ui/projects/{id}.json", "/ui/projects/{id}/task.json?number={id}",
                "/ui/projects/3/task?number={id}&first={id}", "/versions?project={id}", "/is_training?project={id}",
                "/ui/projects/{id}/versions/{name}/report.html", "/ui/static/{name}", "/{name}",
                "/job_status?job={name}",
            ]
        ),
        odd_ids,
        odd_names,
    )  # fmt: skip
    gets = st.builds(lambda path, headers: Request("GET", path, None, headers=headers), paths, odd_headers)
    posts = st.builds(
        lambda path, headers: Request("POST", path, b'{"project": "3"}', headers=headers),
        st.sampled_from(["/setup", "/webhook", "/validate", "/train"])
        | st.builds("/ui/projects/{}/{}".format, odd_ids, st.sampled_from(["train", "rollback", "cancel", "x"])),
        odd_headers,
    )
    return gets | posts


chunks = st.sampled_from(
    [b"2\r\n{}\r\n", b"2;x=y\r\n{}\r\n", b"", b"ffffffffffffffff\r\n", b"-1\r\n", b"2\r\n{}", b"02\n{}\n"]
)
trailers = st.sampled_from(
    [
        b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\nX", b"0\r\n: \r\n\r\n", b"0\r\nX y\r\n\r\n", b"0\r\nX: \0\r\n\r\n",
        b"0;" + b"x" * 10**5, b"0\r\nAuthorization: Basic x\r\n\r\n", b"0\r\n" + b"X: y\r\n" * 5000 + b"\r\n", b"",
        b"0\r\n\r\nGET /health HTTP/1.1\r\n\r\n", b"0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    ]
)  # fmt: skip
heads = st.sampled_from(
    [
        b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        b"Transfer-Encoding: identity, chunked\r\n", b"Transfer-Encoding: xchunked\r\n", b"Content-Length: -1\r\n",
        b"Content-Length: 2\r\nContent-Length: 3\r\n", b"Content-Length: 99999999999999999999\r\n",
        b"X\r\n", b": y\r\n",
        b"Transfer-Encoding: chunked\r\nTrailer: Host\r\n", b"Transfer-Encoding:\x0bchunked\r\n",
    ]
)  # fmt: skip


@st.composite
def raw_requests(draw: st.DrawFn) -> bytes:
    """Bytes of a request with an odd framing, for a connection of its own."""
    path = draw(st.sampled_from([b"/webhook", b"/validate", b"/predict", b"/setup"]))
    head = b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + draw(heads) + b"\r\n"
    return head + b"".join(draw(st.lists(chunks, max_size=3))) + draw(trailers)


def mangled(request: Request, chance: random.Random) -> Request:
    """The same with damaged bytes: nothing is known of what must come, but that it is an answer."""
    body = bytearray(request.body or b"{}")
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(body) + 1)
        match chance.randrange(4):
            case 0:
                body[place : place + chance.randrange(20)] = b""
            case 1:
                body[place:place] = chance.choice(
                    [b"\0", b"\xff", b"\xed\xa0\x80", b"[" * 50, b'"', b"\\ud800", b"1e999"]
                )
            case 2:
                body[place : place + 1] = bytes([chance.randrange(256)])
            case _:
                body[place:place] = body[: chance.randrange(100)]
    return Request(request.method, request.path, bytes(body))
