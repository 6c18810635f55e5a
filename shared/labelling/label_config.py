"""Label Studio's labelling configuration, parsed: labels, channels, time column and format, separator.

The rules are those of the page that draws time series: tags and attributes in any case, `alias` instead of `value`
where a label has one, separators by name. Source: https://labelstud.io/tags/timeseries and `TimeSeries.jsx`.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, Literal
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from shared.errors import LabelConfigError
from shared.labelling.choice_tags import MOST_TAGS, ChoiceTag, attributes, find_choice_tags, read_choice_tag
from shared.labelling.d3_time import split_format
from shared.labelling.label_sets import LabelSet, earlier_names, name_apart
from shared.labelling.task_values import VARIABLE, fill_template, required_value, root_key

SEPARATORS = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "dot": ".", "auto": "auto"}
LONGEST_CONFIG = 1 << 20  # characters: 30,000 labels; a tag takes 30 times its four characters when it is read
LONGEST_QUOTE = 200  # characters of a tag in an error
LONGEST_NAME = 60  # … of a name or an attribute's value
MOST_SERIES = 16  # TimeSeries tags
MOST_QUOTED = 20  # names or sentences in one list: each tag must not repeat all others


class LabelConfig(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A `TimeSeries` tag and the `TimeSeriesLabels` tags on it; further ones as `others`."""

    from_name: str  # of the first TimeSeriesLabels tag
    to_name: str
    value_key: str  # "csv_url" of value="$csv_url"; "": the task's data themselves are the columns
    value_type: Literal["url", "json"]
    labels: tuple[str, ...]  # of all sets, in document order; named apart where several sets have one name
    colors: tuple[str, ...]  # `background` of each label, "" without one
    channels: tuple[str, ...]  # lower-cased names or decimal indices of columns, in document order, without repeats
    time_column: str = ""  # lower-cased name or index; "": the row's number is its time
    time_format: str = ""  # d3's; "": times are numbers
    separator: str = ""  # one character or "auto"; "": not given, the page takes a comma
    left_out: tuple[str, ...] = ()  # sentences about what is in the configuration but not served
    value_template: str = ""  # the value where it is more than one variable, such as "https://host/$file"
    synonyms: dict[str, str] = {}  # `value` of a label that has an alias ► the alias: the page takes both

    aliases: dict[str, str] = {}  # labels of annotations ► labels that they were renamed to, confirmed by an operator
    sets: tuple[LabelSet, ...] = ()  # by tag where several are on the series; empty: `from_name` has all labels
    others: tuple["LabelConfig", ...] = ()  # further TimeSeries tags, each with labels and data of its own
    beside: tuple[str, ...] = ()  # names of all other TimeSeries tags that are served
    choice_tags: tuple[ChoiceTag, ...] = ()  # about a recording as a whole

    @property
    def series(self) -> tuple["LabelConfig", ...]:
        """All series, each alone."""
        return (msgspec.structs.replace(self, others=()), *self.others) if self.others else (self,)

    @cached_property
    def label_set(self) -> frozenset[str]:
        """The labels, to look names up in: there may be 30,000, and as many regions."""
        return frozenset(self.labels)

    @cached_property
    def label_sets(self) -> dict[str, frozenset[str]]:
        """Labels by the name of their TimeSeriesLabels tag."""
        return {each.from_name: frozenset(each.labels) for each in self.sets} or {self.from_name: self.label_set}

    @cached_property
    def origins(self) -> dict[str, tuple[str, str]]:
        """Of each label the name of its tag, and the name that regions of this tag carry."""
        found: dict[str, tuple[str, str]] = {}
        for each in self.sets:
            for name, label in each.names.items():
                found.setdefault(label, (each.from_name, name))
        return found or {label: (self.from_name, label) for label in self.labels}

    @cached_property
    def _names(self) -> dict[str, dict[str, str]]:
        return {each.from_name: each.names for each in self.sets}

    def meaning(self, from_name: str, name: str) -> str | None:
        """The label that a region of a tag means by a name; None: the tag has no such label."""
        label = self._names.get(from_name, {}).get(name) or self.synonyms.get(name, name)
        return label if label in self.label_sets[from_name] else None

    @property
    def fingerprint(self) -> str:
        """16 hex digits over all that a model depends on: not colours, the order of labels or `left_out`."""
        labels = [(each.from_name, sorted(each.names.items())) for each in self.sets]
        parts = (
            sorted(labels) or self.from_name, self.to_name, self.value_key, self.value_type, sorted(self.labels),
            self.channels, self.time_column, self.time_format, self.separator or ",",
        )  # fmt: skip
        if self.value_template:
            parts = (*parts, self.value_template)  # type: ignore[assignment]
        if self.aliases:
            parts = (*parts, sorted(self.aliases.items()))  # type: ignore[assignment]
        if self.choice_tags:
            tags = [
                (each.from_name, sorted(each.choices), each.multiple, sorted(each.synonyms.items()))
                for each in self.choice_tags
            ]
            parts = (*parts, sorted(tags))  # type: ignore[assignment]
        if self.others:
            parts = (*parts, [each.fingerprint for each in self.others])  # type: ignore[assignment]
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]

    @property
    def data_keys(self) -> frozenset[str]:
        """Keys of a task's data that `value_of` may look at, lower-cased columns where data are columns themselves."""
        if not self.value_key:
            return frozenset((*self.channels, self.time_column))
        keys = [match[1:] for match in VARIABLE.findall(self.value_template)] or [self.value_key]
        return frozenset((*keys, *map(root_key, keys)))

    def value_of(self, data: Mapping[str, Any]) -> Any:
        """What the TimeSeries tag means in a task's data: a URL or columns, as the page finds them.

        Variables in a text are replaced within it. Raises SeriesError where there is no such entry, or only null.
        """
        if not self.value_key:
            return dict(data)
        if not self.value_template:
            return required_value(self.value_key, data, f"${self.value_key}")
        return fill_template(self.value_template, data)


def parse_label_config(xml: str) -> LabelConfig:
    """Parse a labelling configuration: every TimeSeries tag that can be served, with all its label sets.

    Raises LabelConfigError, which quotes the tag at fault.
    """
    root = _parse(xml)
    tags = list(_walk(root))
    controls = [tag for tag in tags if _name(tag) == "timeserieslabels"]
    objects: dict[str, _Object] = {}
    for tag in tags:
        if _name(tag) == "timeseries":
            objects.setdefault(attributes(tag).get("name", ""), _Object(tag))
    if not objects:
        raise LabelConfigError("The labelling configuration has no <TimeSeries> tag; add one with Channel tags in it.")
    if not controls:
        raise LabelConfigError(
            'The labelling configuration has no <TimeSeriesLabels> tag; add one with toName="'
            f'{next(iter(objects))[:LONGEST_NAME]}" and a Label tag for each label.'
            + (
                " Choices about a recording are learned beside segments only."
                if any(_name(tag) == "choices" for tag in tags)
                else ""
            )
        )
    known = _list_names(objects)
    refusals: list[str] = []
    served: dict[str, dict[str, LabelConfig]] = {}  # by TimeSeries tag, then by TimeSeriesLabels tag
    taken: set[str] = set()
    used: set[Element] = set()
    for control in controls:
        try:
            found = _read_pair(control, objects, known)
        except LabelConfigError as error:
            refusals.append(str(error))
            continue
        used.add(control)
        if found.from_name in taken:
            refusals.append(f"{_quote(control)} is left out: another tag has its name.")
        elif found.to_name not in served and len(served) == MOST_SERIES:
            refusals.append(f"{_quote(control)} is left out: at most {MOST_SERIES} time series are served.")
        else:
            taken.add(found.from_name)
            served.setdefault(found.to_name, {})[found.from_name] = found
            used.add(objects[found.to_name].tag)
    if not served:
        raise LabelConfigError(refusals[0])
    about = _choice_tags(root, served, taken)
    used.update(tag for some in about.values() for tag, _ in some)
    first, *others = (
        msgspec.structs.replace(
            _together(list(sets.values())),
            beside=tuple(other for other in served if other != series),
            choice_tags=tuple(each for _, each in about[series]),
        )
        for series, sets in served.items()
    )
    whole = msgspec.structs.replace(first, others=tuple(others))
    left_out = [*refusals, *_left_out([tag for tag in tags if tag not in used], whole)]
    if len(left_out) > MOST_QUOTED:
        left_out[MOST_QUOTED:] = [f"{len(left_out) - MOST_QUOTED} more tags are left out."]
    return msgspec.structs.replace(whole, left_out=tuple(left_out))


def _choice_tags(
    root: Element, series: Collection[str], taken: Collection[str]
) -> dict[str, list[tuple[Element, ChoiceTag]]]:
    """Tags of choices about recordings, by the time series that they are about. taken: names of other tags."""
    found: dict[str, list[tuple[Element, ChoiceTag]]] = {name: [] for name in series}
    names = set(taken)
    for tag, condition in find_choice_tags(root):
        target = next((name for name in _targets(tag) if name in found), None)
        if target is None or len(found[target]) == MOST_TAGS:
            continue
        each = read_choice_tag(tag, condition)
        if each is not None and each.from_name not in names:
            names.add(each.from_name)
            found[target].append((tag, each))
    return found


def _targets(control: Element) -> list[str]:
    return [part.strip() for part in attributes(control).get("toname", "").split(",")]


def _together(found: Sequence[LabelConfig]) -> LabelConfig:
    """The label sets of one series as one configuration."""
    first = found[0]
    if len(found) == 1:
        return first
    sets = name_apart([(each.from_name, each.labels, each.synonyms) for each in found])
    colors = {
        label: color
        for names, each in zip(sets, found, strict=True)
        for label, color in zip(names.labels, each.colors, strict=True)
    }
    return msgspec.structs.replace(
        first, labels=tuple(colors), colors=tuple(colors.values()), synonyms=earlier_names(sets), sets=sets
    )


class _Object:
    """A TimeSeries tag, read at most once, however many tags refer to it."""

    def __init__(self, tag: Element) -> None:
        self.tag = tag
        self._read: LabelConfig | LabelConfigError | None = None

    def read(self) -> LabelConfig:
        """What the tag itself holds. Raises LabelConfigError."""
        if self._read is None:
            try:
                self._read = _read_object(self.tag)
            except LabelConfigError as error:
                self._read = error
        if isinstance(self._read, LabelConfigError):
            raise LabelConfigError(str(self._read))
        return self._read


def _parse(xml: str) -> Element:
    if len(xml) > LONGEST_CONFIG:
        raise LabelConfigError(
            f"The labelling configuration has {len(xml)} characters, at most {LONGEST_CONFIG} are read: shorten it."
        )
    try:
        root: Element = fromstring(xml.lstrip("\ufeff \t\r\n"))
    except ParseError as error:
        raise LabelConfigError(
            f"The labelling configuration is not well-formed XML ({error}): {_cut(xml.strip())!r}."
        ) from None
    except (DefusedXmlException, RecursionError, ValueError, LookupError) as error:
        raise LabelConfigError(
            f"The labelling configuration declares entities, nests too deeply or has an unknown encoding "
            f"({type(error).__name__}): write plain tags."
        ) from None
    return root


def _walk(root: Element, *, beside: str = "") -> Iterator[Element]:
    """All tags in document order, not those within another tag of the name `beside`; not recursive, so that depth
    costs nothing.
    """
    stack = [root]
    while stack:
        tag = stack.pop()
        if isinstance(tag.tag, str):  # comments and processing instructions have none
            yield tag
            if tag is root or not beside or _name(tag) != beside:
                stack.extend(reversed(tag))


def _read_pair(control: Element, objects: Mapping[str, _Object], known: str) -> LabelConfig:
    from_name = attributes(control).get("name", "")
    if not from_name:
        raise LabelConfigError(f"{_quote(control)} has no name; regions refer to it by name.")
    to_name = next((name for name in _targets(control) if name and name in objects), "")
    if not to_name:
        raise LabelConfigError(f"{_quote(control)} labels no time series: toName must name one of {known}.")
    labels, colors, synonyms = _read_labels(control)
    found = objects[to_name].read()
    return msgspec.structs.replace(
        found, from_name=from_name, to_name=to_name, labels=labels, colors=colors, synonyms=synonyms
    )


def _read_labels(control: Element) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]:
    colors: dict[str, str] = {}
    synonyms: dict[str, str] = {}
    for tag in _walk(control, beside="timeserieslabels"):
        if _name(tag) != "label":
            continue
        own = attributes(tag)
        value = own.get("value", "")
        label = own.get("alias") or value
        if not label:
            raise LabelConfigError(f"{_quote(tag)} in {_quote(control)} has no value; give the label a name.")
        colors.setdefault(label, own.get("background", ""))
        if value and value != label:
            synonyms.setdefault(value, label)
    if not colors:
        raise LabelConfigError(
            f"{_quote(control)} has no Label tag; labels that come from the task are not supported, write each as "
            '<Label value="…"/>.'
        )
    return tuple(colors), tuple(colors.values()), {k: v for k, v in synonyms.items() if k not in colors}


def _read_object(tag: Element) -> LabelConfig:
    """What a TimeSeries tag holds; names and labels are still empty."""
    own = attributes(tag)
    value = own.get("value", "")
    value_type = own.get("valuetype", "url")
    variables = VARIABLE.findall(value)
    plain = VARIABLE.fullmatch(value) or (value_type == "json" and not value)
    if not plain and (not variables or value_type == "json"):
        text = "" if value_type == "json" else ', alone or in a text such as value="https://host/$file"'
        raise LabelConfigError(
            f'{_quote(tag)} has value={_cut(value)!r}; it must name a key of the task, such as value="$csv_url"{text}.'
        )
    if value_type not in ("url", "json"):
        raise LabelConfigError(f"{_quote(tag)} has valueType={_cut(value_type)!r}; it must be url or json.")
    time_column = own.get("timecolumn", "").lower()
    time_format = own.get("timeformat", "") if time_column else ""  # the page ignores it without a time column
    if time_format:
        try:
            split_format(time_format)
        except ValueError as error:
            raise LabelConfigError(f"{_quote(tag)} has timeFormat={_cut(time_format)!r}, but {error}.") from None
    return LabelConfig(
        from_name="",
        to_name="",
        value_key=variables[0][1:] if variables else "",
        value_template="" if plain else value,
        value_type="json" if value_type == "json" else "url",
        labels=(),
        colors=(),
        channels=_read_channels(tag),
        time_column=time_column,
        time_format=time_format,
        separator=_read_separator(tag),
    )


def _read_channels(tag: Element) -> tuple[str, ...]:
    columns: dict[str, None] = {}
    for channel in _walk(tag, beside="timeseries"):
        if _name(channel) == "channel":
            column = attributes(channel).get("column", "").lower()
            if not column:
                raise LabelConfigError(f"{_quote(channel)} in {_quote(tag)} has no column; name one or give its index.")
            columns[column] = None
    if not columns:
        raise LabelConfigError(f'{_quote(tag)} has no Channel tag; add <Channel column="…"/> for each column.')
    return tuple(columns)


def _read_separator(tag: Element) -> str:
    text = attributes(tag).get("sep", "")
    separator = text if len(text) < 2 else SEPARATORS.get(text, text[0])
    if not separator.isascii() or separator in ('"', "\r", "\n"):
        raise LabelConfigError(f'{_quote(tag)} has sep={_cut(text)!r}, which cannot separate columns; use sep=",".')
    return separator


def _left_out(rest: Sequence[Element], found: LabelConfig) -> Iterator[str]:
    pairs = [(name, each.to_name) for each in found.series for name in each.label_sets]
    shown = [f"{control[:LONGEST_NAME]!r} on {series[:LONGEST_NAME]!r}" for control, series in pairs[:MOST_QUOTED]]
    served = f"only {' and '.join(shown)} {'is' if len(pairs) == 1 else 'are'} served"
    series = {each.to_name for each in found.series}
    for tag in rest:
        name = _name(tag)
        if name == "timeserieslabels" or (name == "timeseries" and attributes(tag).get("name") not in series):
            yield f"{_quote(tag)} is left out: {served}."
        elif "toname" in attributes(tag) and name != "timeserieslabels":
            yield f"{_quote(tag)} gets no predictions: {served}."


def _name(tag: Element) -> str:
    return str(tag.tag).lower()


def _list_names(names: Collection[str]) -> str:
    """At most MOST_QUOTED names, for a sentence."""
    shown = ", ".join(repr(name[:LONGEST_NAME]) for name in islice(names, MOST_QUOTED))
    return shown + (f" and {len(names) - MOST_QUOTED} more" if len(names) > MOST_QUOTED else "")


def _quote(tag: Element) -> str:
    """The start tag as written, nearly: one line, shortened when long."""
    return _cut("<" + " ".join([str(tag.tag), *(f'{key}="{value}"' for key, value in tag.attrib.items())]) + ">")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
