from shared.labelling.choice_tags import MOST_CHOICES, MOST_TAGS, Visibility
from shared.labelling.label_config import LabelConfig, parse_label_config
from shared.labelling.renames import with_aliases

GOOD_BAD = '<Choice value="good"/><Choice value="bad"/>'
SERIES = '<TimeSeries name="{0}" valueType="json" value="${0}"><Channel column="x"/></TimeSeries>'


def config(tags: str) -> LabelConfig:
    label_sets = "".join(
        f'<TimeSeriesLabels name="label{name}" toName="{name}"><Label value="Run"/></TimeSeriesLabels>'
        for name in ("ts", "lux")
    )
    return parse_label_config(f"<View>{label_sets}{tags}{SERIES.format('ts')}{SERIES.format('lux')}</View>")


def test_choices_belong_to_their_series_and_are_named_by_alias() -> None:
    found = config(
        '<Choices name="quality" toName="lux"><Choice value="good"/><Choice value="Bad!" alias="bad"/></Choices>'
        '<choices NAME="Seen" toname="ts" choice="multiple"><View><Choice value="noise"/></View></choices>'
    )
    (seen,), (quality,) = (each.choice_tags for each in found.series)
    assert (seen.from_name, seen.choices, seen.multiple) == ("Seen", ("noise",), True)
    assert (quality.from_name, quality.choices, quality.multiple) == ("quality", ("good", "bad"), False)
    assert [quality.meaning(name) for name in ("good", "Bad!", "bad", "worse", ["good"])] == [
        "good", "bad", "bad", None, "good",
    ]  # fmt: skip
    assert found.left_out == ()


def test_what_is_about_regions_other_objects_or_nothing_is_left_out() -> None:
    tags = (
        f'<Choices name="a" toName="ts" perRegion="true">{GOOD_BAD}</Choices>',
        f'<Choices name="b" toName="picture">{GOOD_BAD}</Choices>',
        '<Choices name="c" toName="ts"><Choice value="only"/></Choices>',
        '<Choices name="d" toName="ts" value="$options"/>',
        f'<Choices toName="ts">{GOOD_BAD}</Choices>',
        f'<Choices name="labelts" toName="ts">{GOOD_BAD}</Choices>',
        f'<Choices name="e" toName="ts" visibleWhen="choice-unselected">{GOOD_BAD}</Choices>',
    )
    found = config("".join(tags))
    assert [each.choice_tags for each in found.series] == [(), ()]
    assert len(found.left_out) == len(tags)


def test_nested_choices_are_written_as_the_names_on_the_way_to_them() -> None:
    inner = '<Choice value="A / B"><Choice value="x" alias="X"/></Choice><Choice value="C"/>'
    (tag,) = config(f'<Choices name="n" toName="ts" allowNested="true">{inner}</Choices>').choice_tags
    assert tag.choices == ("A / B / X", "C")
    assert [tag.written(each) for each in tag.choices] == [["A / B", "X"], ["C"]]
    assert tag.meaning(["A / B", "X"]) == tag.meaning(["A / B", "x"]) == "A / B / X"
    # the page skips choices in choices unless they are allowed
    (flat,) = config(f'<Choices name="n" toName="ts">{inner}</Choices>').choice_tags
    assert (flat.choices, flat.written("C")) == (("A / B", "C"), "C")


def test_a_condition_may_stand_around_a_tag() -> None:
    shown = 'visibleWhen="choice-selected" whenTagName="quality" whenChoiceValue="bad,worse"'
    (around, own) = config(
        f'<View {shown}><View><Choices name="a" toName="ts">{GOOD_BAD}</Choices></View></View>'
        f'<Choices name="b" toName="ts" visibleWhen="choice-selected">{GOOD_BAD}</Choices>'
    ).choice_tags
    assert around.condition == Visibility("quality", ("bad", "worse"))
    assert own.condition == Visibility()


def test_the_fingerprint_knows_choices_and_is_as_before_without_any() -> None:
    without = config("").fingerprint
    assert without == "1e65e3d64154c7a3", "that of programs that knew no choices"
    tag = '<Choices name="q" toName="ts">{}</Choices>'
    prints = [config(tag.format(some)).fingerprint for some in (GOOD_BAD, f'{GOOD_BAD}<Choice value="odd"/>')]
    reordered = config(tag.format('<Choice value="bad"/><Choice value="good"/>')).fingerprint
    assert len({without, *prints}) == 3
    assert reordered == prints[0]
    assert config('<Choices name="r" toName="ts" perRegion="true"/>').fingerprint == without


def test_numbers_of_tags_and_choices_are_bounded() -> None:
    many = "".join(f'<Choices name="c{n}" toName="ts">{GOOD_BAD}</Choices>' for n in range(MOST_TAGS + 3))
    assert len(config(many).choice_tags) == MOST_TAGS
    long = "".join(f'<Choice value="{n}"/>' for n in range(MOST_CHOICES + 1))
    assert config(f'<Choices name="c" toName="ts">{long}</Choices>').choice_tags == ()


def test_a_confirmed_rename_concerns_choices_too() -> None:
    found = with_aliases(config(f'<Choices name="q" toName="ts">{GOOD_BAD}</Choices>'), {"poor": "bad", "good": "bad"})
    (tag,) = found.choice_tags
    assert (tag.meaning("poor"), tag.meaning("good")) == ("bad", "good")
