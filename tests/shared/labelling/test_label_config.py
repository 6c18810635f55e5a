from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import LabelConfigError, SeriesError
from shared.labelling.label_config import LabelConfig, parse_label_config

LABELS = '<TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/></TimeSeriesLabels>'
SERIES = '<TimeSeries name="ts" valueType="url" value="$csv_url"><Channel column="value"/></TimeSeries>'


def view(*parts: str) -> str:
    return f"<View>{''.join(parts)}</View>"


def series(attributes: str = "", channels: str = '<Channel column="value"/>') -> str:
    return view(LABELS, f'<TimeSeries name="ts" value="$csv_url" {attributes}>{channels}</TimeSeries>')


def labels(*tags: str) -> str:
    return view(f'<TimeSeriesLabels name="label" toName="ts">{"".join(tags)}</TimeSeriesLabels>', SERIES)


def test_the_configuration_that_existing_users_have() -> None:
    assert parse_label_config(view(LABELS, SERIES)) == LabelConfig(
        from_name="label", to_name="ts", value_key="csv_url", value_type="url", labels=("Run", "Walk"), colors=("", ""),
        channels=("value",),
    )  # fmt: skip
    timed = parse_label_config(view(LABELS, SERIES.replace("$csv_url", '$csv_url" timeColumn="time')))
    assert timed.time_column == "time"


def test_a_configuration_as_people_grow_them() -> None:
    found = parse_label_config("""\ufeff
        <?xml version="1.0" encoding="utf-16"?>
        <!-- sensors, second try -->
        <View><Style>.htx { color: "red" &gt; }</Style>
          <Header value="What is $name doing?"/>
          <View style="display: flex"><View>
            <TimeSeriesLabels toName="ts" choice="single" name="label">
              <View><Label background="#f00" value="R&amp;D &quot;walk&quot;"/></View>
              <Header value="rare"/><!-- not used <Label value="No"/> -->
              <Label value="Walk" alias="w"/><Label value="7"/><Label value="7"/>
            </TimeSeriesLabels></View>
            <TIMESERIES VALUE="$files.csv[0]" name="ts" valuetype="url" timecolumn="Time" SEP="tab"
                        timeFormat="%Y-%m-%d %H:%M:%S.%L" timeDisplayFormat="%H" overviewChannels="0,1">
              <MultiChannel><View><channel Column="AccX" legend="x"/></View><Channel column="1"/></MultiChannel>
              <Channel column="accx"/><Channel column="GyrZ"/>
            </TIMESERIES>
          </View>
        </View>""")
    assert found.labels == ('R&D "walk"', "w", "7")
    assert found.colors == ("#f00", "", "")
    assert found.synonyms == {"Walk": "w"}
    assert found.channels == ("accx", "1", "gyrz")
    assert (found.time_column, found.time_format, found.separator) == ("time", "%Y-%m-%d %H:%M:%S.%L", "\t")
    assert found.left_out == ()
    assert found.value_of({"files": {"csv": ["a.csv"]}}) == "a.csv"
    assert found.value_of({"files.csv[0]": "b.csv"}) == "b.csv"
    with pytest.raises(SeriesError, match="null or holds no value"):
        found.value_of({"files": "c.csv"})
    with pytest.raises(SeriesError, match=r'no "files.csv\[0\]".* it has file'):
        found.value_of({"file": "c.csv"})


@pytest.mark.parametrize(
    ("sep", "separator"),
    [("tab", "\t"), ("\\t", "\t"), ("space", " "), ("comma", ","), ("dot", "."), ("auto", "auto"), (";", ";"),
     ("|", "|"), (";;", ";"), ("semicolon", "s"), ("", ""), ("&#9;", "\t")],
)  # fmt: skip
def test_a_separator_is_what_the_page_makes_of_it(sep: str, separator: str) -> None:
    assert parse_label_config(series(f'sep="{sep}"')).separator == separator


def test_a_time_format_without_a_time_column_is_ignored_as_on_the_page() -> None:
    assert parse_label_config(series('timeFormat="%Y"')).time_format == ""


@pytest.mark.parametrize(
    ("value", "data", "expected"),
    [
        ("https://host/$file", {"file": "a b.csv"}, "https://host/a b.csv"),
        ("$host/$day/$part[1].csv", {"host": "s3://b", "day": 7.0, "part": ["x", "y"]}, None),
        ("$host/$day/$files.name", {"host": "s3://b", "day": 7.0, "files": {"name": "y"}}, "s3://b/7/y"),
        ("$a$b", {"a": "/data/", "b": True}, "/data/true"),
    ],
)
def test_variables_are_replaced_within_a_text(value: str, data: dict[str, Any], expected: str | None) -> None:
    found = parse_label_config(view(LABELS, SERIES.replace("$csv_url", value)))
    assert found.fingerprint != parse_label_config(view(LABELS, SERIES)).fingerprint
    if expected is None:
        with pytest.raises(SeriesError, match="part"):
            found.value_of(data)
    else:
        assert found.value_of(data) == expected
        assert found.value_of({key: data[key] for key in found.data_keys if key in data}) == expected


def test_columns_may_be_the_tasks_data_themselves() -> None:
    tag = SERIES.replace('valueType="url" value="$csv_url"', 'valueType="json" value="" timeColumn="Time"')
    for each in (tag, tag.replace('value=""', "")):
        found = parse_label_config(view(LABELS, each))
        assert found.value_of({"time": [0, 1], "value": [1, 2]}) == {"time": [0, 1], "value": [1, 2]}
        assert found.data_keys == {"time", "value"}


def test_null_is_distinguished_from_a_missing_key() -> None:
    found = parse_label_config(view(LABELS, SERIES))
    with pytest.raises(SeriesError, match="is null"):
        found.value_of({"csv_url": None})
    with pytest.raises(SeriesError, match=r'no "csv_url".* it has csv'):
        found.value_of({"csv": None})


def test_json_is_a_value_type() -> None:
    assert parse_label_config(series('valueType="json"')).value_type == "json"


def test_the_first_pair_that_can_work_is_served_and_the_rest_is_named() -> None:
    found = parse_label_config(
        view(
            '<TimeSeriesLabels name="lost" toName="gone"><Label value="A"/></TimeSeriesLabels>',
            '<TimeSeriesLabels name="event" toName="ecg"><Label value="A"/></TimeSeriesLabels>',
            LABELS,
            '<Choices name="quality" toName="ts"><Choice value="good"/></Choices>',
            '<TimeSeries name="ecg" value="$a"/>',
            SERIES,
            '<TimeSeries name="more" value="$b"><Channel column="0"/></TimeSeries>',
        )
    )
    assert (found.from_name, found.to_name) == ("label", "ts")
    reported = "\n".join(found.left_out)
    assert all(words in reported for words in ('name="lost"', 'name="ecg"', '<Choices name="quality"', 'name="more"'))
    assert LABELS.partition(">")[0] not in reported


@pytest.mark.parametrize(
    ("xml", "quoted"),
    [
        ("", "not well-formed"),
        ("<View>", "not well-formed"),
        ("<View>&nbsp;</View>", "undefined entity"),
        (view(), "no <TimeSeries> tag"),
        (view(LABELS), "no <TimeSeries> tag"),
        (view(SERIES), "no <TimeSeriesLabels> tag"),
        (
            view(SERIES, '<Choices name="quality" toName="ts"><Choice value="good"/><Choice value="bad"/></Choices>'),
            "Choices about a recording are learned beside segments only",
        ),
        (labels(), '<TimeSeriesLabels name="label" toName="ts"> has no Label tag'),
        (labels("<Label/>"), "<Label> in <TimeSeriesLabels"),
        (view('<TimeSeriesLabels toName="ts"><Label value="A"/></TimeSeriesLabels>', SERIES), "has no name"),
        (
            view('<TimeSeriesLabels name="l"><Label value="A"/></TimeSeriesLabels>', SERIES),
            "toName must name one of 'ts'",
        ),
        (series(channels=""), '<TimeSeries name="ts" value="$csv_url"> has no Channel tag'),
        (series(channels='<Channel legend="x"/>'), '<Channel legend="x"> in <TimeSeries'),
        (view(LABELS, SERIES.replace("$csv_url", "http://$a").replace("url", "json")), "value='http://$a'"),
        (view(LABELS, SERIES.replace("$csv_url", "http://host/a.csv")), 'value="$csv_url"'),
        (view(LABELS, SERIES.replace("$csv_url", "")), "value=''"),
        (series('valueType="xml"'), "valueType='xml'"),
        (series('sep="&quot;"'), "sep='\"'"),
        (series('sep="·"'), "sep='·'"),
        (series('timeColumn="t" timeFormat="%Y %z"'), "timeFormat='%Y %z', but %z is none of d3's"),
    ],
)
def test_what_cannot_be_served_is_an_error_that_quotes_the_tag(xml: str, quoted: str) -> None:
    with pytest.raises(LabelConfigError) as caught:
        parse_label_config(xml)
    assert quoted in str(caught.value)


@pytest.mark.parametrize(
    "xml",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><View>&b;</View>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><View>&a;</View>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd"><View/>',
        "<View>" * 100_000 + "</View>" * 100_000,
        "<View a='\ud800'/>",
        "<View\0/>",
    ],
    ids=["bomb", "file", "dtd", "depth", "surrogate", "nul"],
)
def test_hostile_xml_is_an_error(xml: str) -> None:
    with pytest.raises(LabelConfigError) as caught:
        parse_label_config(xml)
    assert "root:" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_the_fingerprint_changes_with_what_a_model_depends_on_and_with_nothing_else() -> None:
    base = parse_label_config(series('timeColumn="time"'))
    same = [
        series('timeColumn="TIME" sep="," overviewWidth="50%"'),
        series('timeColumn="time"', '<Channel column="Value" units="g"/>').replace("Run", "X").replace('"X"', '"Run"'),
        series('timeColumn="time"').replace('value="Run"', 'value="Run" background="red"'),
        series('timeColumn="time"').replace("Run", "-").replace("Walk", "Run").replace("-", "Walk"),
        series('timeColumn="time"').replace("</View>", '<Choices name="c" toName="ts"/></View>'),
    ]
    other = [
        series(),
        series('timeColumn="time" timeFormat="%Y"'),
        series('timeColumn="time" sep=";"'),
        series('timeColumn="time"', '<Channel column="value"/><Channel column="more"/>'),
        series('timeColumn="time"').replace("Run", "Jog"),
        series('timeColumn="time"').replace("csv_url", "url"),
    ]
    assert {parse_label_config(xml).fingerprint for xml in same} == {base.fingerprint}
    assert len({base.fingerprint, *(parse_label_config(xml).fingerprint for xml in other)}) == len(other) + 1
    assert len(base.fingerprint) == 16


@given(st.text(max_size=200) | st.text(alphabet="<>/=\"'$ aLabelTimeSeries", max_size=200))
def test_any_text_is_a_configuration_or_an_error_of_ours(xml: str) -> None:
    for text in (xml, view(LABELS, SERIES).replace("Run", xml)):
        try:
            found = parse_label_config(text)
        except LabelConfigError as error:
            assert str(error)
        else:
            assert found.labels


def test_a_configuration_beyond_what_is_read_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(LabelConfigError, match="at most 1048576 are read"):
        parse_label_config("<View>" + "<a/>" * 300_000 + "</View>")
