"""The schema of a study protocol file and its loader, which names every fault of a file at once.

The schema has a place for what a study's registry record or papers say, and for nothing that a site decides.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field

from nebctl.core.faults import Fault, show_value, suggest
from nebctl.core.regimen import FollowUp, Regimen
from nebctl.core.toml_text import TomlText, dotted, read_toml
from nebctl_protocols.explain import in_order, read_model
from nebctl_protocols.protocol import Masking, Note, Source, Status, StudyProtocol
from nebctl_protocols.values import (
    ArmName,
    AssessmentDays,
    Content,
    Date,
    Days,
    DosingDays,
    StudyId,
    Table,
    Text,
    Url,
    Volume,
)

FORMAT = "nebctl-study-protocol/1"
_ORPHAN = "write the value, or leave its source out"
_SOURCES_OF = '{ volume = "registry", days = "registry" }'


class _Sourced(Table):
    """A table whose every value has its source in the table `source`; `check_sources` holds it to that."""

    source: Any = Field(default=None, examples=[_SOURCES_OF])


class _Study(_Sourced):
    id: StudyId = Field(examples=['"NCT04276987"'])
    acronym: Text | None = Field(default=None, examples=['"MEXCOVID"'])
    title: Text = Field(examples=['"A Pilot Clinical Study"'])
    masking: Literal["open label", "masked", "not stated"] = Field(examples=['"open label"'])
    first_posted: Date | None = Field(default=None, examples=["2020-02-19"])
    last_updated: Date | None = Field(default=None, examples=["2020-09-07"])


class _Dose(_Sourced):
    volume: Volume = Field(examples=['"3 mL"'])
    days: DosingDays = Field(examples=["[1, 2, 3, 4, 5]"])
    per_day: Annotated[int, Field(ge=1, le=24)] = Field(examples=["1"])


class _Arm(_Sourced):
    title: Text = Field(examples=['"Treatment group"'])
    product: Text = Field(examples=['"MSCs-derived exosomes"'])
    content: Content = Field(examples=['"2.0e8 vesicles"'])


class _FollowUp(_Sourced):
    adverse_events: Days = Field(examples=['"28 d"'])
    counted_from: Literal["first treatment", "discharge"] = Field(examples=['"first treatment"'])
    assessments: AssessmentDays = Field(default=(), examples=["[0, 3, 7, 14, 21, 28]"])


class _Source(Table):
    title: Text = Field(examples=['"ClinicalTrials.gov record NCT04276987"'])
    url: Url = Field(examples=['"https://clinicaltrials.gov/study/NCT04276987"'])
    dated: Date | None = Field(default=None, examples=["2020-09-07"])


class _Note(Table):
    about: Text = Field(examples=['"arms.treatment.content"'])
    text: Text = Field(examples=['"what a reader must know"'])
    sources: list[str] = Field(examples=['["registry"]'], min_length=1)


class _Protocol(Table):
    format: Literal["nebctl-study-protocol/1"] = Field(examples=[f'"{FORMAT}"'])
    status: Literal["draft", "ready"] = Field(examples=['"draft"'])
    study: _Study
    dose: _Dose
    arms: dict[ArmName, _Arm] = Field(min_length=1)
    follow_up: _FollowUp
    sources: dict[str, _Source] = Field(min_length=1)
    notes: list[_Note] = Field(default_factory=list)


def load_protocol(text: str, file: str) -> StudyProtocol | tuple[Fault, ...]:
    """Read a study protocol, or return everything that is wrong with it in the order of its lines.

    `file` is the name that the faults give. A text that is no TOML has one fault.
    """
    toml = read_toml(text, file)
    if toml.table is None:
        return toml.faults
    model, faults = read_model(toml, _Protocol)
    faults = in_order((*toml.faults, *faults, *_check_sources(toml)))
    return faults if model is None or faults else _build(model)


def _check_sources(toml: TomlText) -> Iterator[Fault]:
    """Yield a fault for every value without a source and every source that is not described."""
    assert toml.table is not None
    described = toml.table.get("sources", {})
    known = tuple(described) if isinstance(described, dict) else ()
    for path, fields, table in _sourced_tables(toml.table):
        values = [name for name in table if name in fields and name != "source"]
        yield from _check_table(toml, path, values, table.get("source"), known)
    notes = toml.table.get("notes")
    for index, note in enumerate(notes if isinstance(notes, list) else ()):
        named = note.get("sources") if isinstance(note, dict) else None
        for name in named if isinstance(named, list) else ():
            if name not in known:
                yield _unknown_source(toml, ("notes", index, "sources"), name, known)


def _sourced_tables(table: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], set[str], Mapping[str, Any]]]:
    """Yield each table that must name its sources: its path, the fields that it may have, and itself."""
    arms = table.get("arms")
    found: list[tuple[tuple[str, ...], type[Table]]] = [
        (("study",), _Study),
        (("dose",), _Dose),
        (("follow_up",), _FollowUp),
    ]
    for path, model in found:
        if isinstance(inner := table.get(path[0]), dict):
            yield path, set(model.model_fields), inner
    for name, arm in arms.items() if isinstance(arms, dict) else ():
        if isinstance(arm, dict):
            yield ("arms", name), set(_Arm.model_fields), arm


def _check_table(
    toml: TomlText, path: tuple[str, ...], values: list[str], named: object, known: tuple[str, ...]
) -> Iterator[Fault]:
    sources = named if isinstance(named, dict) else {}
    for value in values:
        if value not in sources:
            field = (*path, value)
            example = known[0] if known else "registry"
            right = f'add it to the source of [{dotted(path)}], such as source = {{ {value} = "{example}" }}'
            yield _fault(toml, field, None, "this value has no source", right)
    for value, name in sources.items():
        field = (*path, "source", value)
        if value not in values:
            if dotted((*path, value)) not in toml.lost:
                yield _fault(toml, field, show_value(name), "this source is of a value that is not here", _ORPHAN)
        elif name not in known:
            yield _unknown_source(toml, field, name, known)


def _unknown_source(toml: TomlText, field: tuple[str | int, ...], name: object, known: tuple[str, ...]) -> Fault:
    right = suggest(str(name), known) if known else "describe it in a table such as [sources.registry]"
    return _fault(toml, field, show_value(name), "this source is not described in [sources]", right)


def _fault(toml: TomlText, path: tuple[str | int, ...], value: str | None, problem: str, right: str) -> Fault:
    return Fault(file=toml.file, line=toml.line_of(path), field=dotted(path), value=value, problem=problem, right=right)


def _build(model: _Protocol) -> StudyProtocol:
    study, follow_up = model.study, model.follow_up
    return StudyProtocol(
        study=study.id,
        acronym=study.acronym,
        title=study.title,
        status=Status(model.status),
        masking=Masking(study.masking),
        first_posted=study.first_posted,
        last_updated=study.last_updated,
        arms=MappingProxyType({name: _regimen(model, name) for name in model.arms}),
        arm_titles=MappingProxyType({name: arm.title for name, arm in model.arms.items()}),
        follow_up=FollowUp(
            adverse_events_days=follow_up.adverse_events,
            counted_from=follow_up.counted_from,
            assessments=follow_up.assessments,
        ),
        sources=MappingProxyType(
            {name: Source(title=s.title, url=s.url, dated=s.dated) for name, s in model.sources.items()}
        ),
        origins=MappingProxyType(dict(_origins(model))),
        notes=tuple(Note(about=n.about, text=n.text, sources=tuple(n.sources)) for n in model.notes),
    )


def _regimen(model: _Protocol, arm: str) -> Regimen:
    return Regimen(
        study=model.study.id,
        product=model.arms[arm].product,
        arm=arm,
        volume_nl=model.dose.volume,
        content_low=model.arms[arm].content.low,
        content_high=model.arms[arm].content.high,
        days=model.dose.days,
        doses_per_day=model.dose.per_day,
        blinded=model.study.masking != Masking.OPEN.value,
    )


def _origins(model: _Protocol) -> Iterator[tuple[str, str]]:
    tables: list[tuple[str, _Sourced]] = [("study", model.study), ("dose", model.dose), ("follow_up", model.follow_up)]
    tables += [(f"arms.{name}", arm) for name, arm in model.arms.items()]
    for path, table in tables:
        for value, source in table.source.items():
            yield f"{path}.{value}", source
