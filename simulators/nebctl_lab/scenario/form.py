"""The form of a scenario file, `nebctl-scenario/1`, and its loader, which names every fault of a file at once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from nebctl.core.faults import Fault, FieldError, show_value
from nebctl.core.toml_text import Path, TomlText, dotted, read_toml
from nebctl.core.units import NS_PER_MIN
from nebctl_lab.scenario.devices import PRESETS, WARM, faults_of
from nebctl_lab.scenario.vocabulary import ACTIONS, EXPECTATIONS, KINDS, TIMES
from nebctl_lab.scenario.words import Form, Sentence, read_name, read_sentence
from nebctl_protocols.explain import in_order, read_model
from nebctl_protocols.values import Duration, Table, Text

FORMAT = "nebctl-scenario/1"
PATIENCE_NS = 30 * NS_PER_MIN
"""How long a step waits for its `when` if it does not say: as long as any session may take."""
PROMISES = range(1, 56)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: when it comes, what is done then, and what must be so.

    `at` None and `when` empty mean: right after the step before, or `after_ns` later. `within_ns` is how long `when`
    is waited for; in a step without `when`, how long the expectations may take (0: they must hold at once).
    `not_yet` is a promise that nebctl does not keep yet: each of the expectations must then fail, or the step is out of
    date. `unit` "" is the first unit. `line` is where the step begins in its file.
    """

    line: int
    at: Sentence | None = None
    after_ns: int = 0
    when: tuple[Sentence, ...] = ()
    within_ns: int = 0
    do: tuple[Sentence, ...] = ()
    expect: tuple[Sentence, ...] = ()
    not_yet: str = ""
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitWish:
    """One unit of the scenario's site: its device, the device's preset, and the subjects who have their leases here.

    `balance` puts a balance under the cup; a device that is `calibrated` had its saline runs on the evening before.
    """

    id: str
    device: str
    preset: str
    subjects: tuple[str, ...]
    balance: bool = False
    calibrated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario as it was read; `begins` is the site's local time without a zone, None for the usual morning."""

    name: str
    title: str
    about: str
    promises: tuple[str, ...]
    seed: int
    begins: datetime | None
    units: tuple[UnitWish, ...]
    steps: tuple[Step, ...] = field(repr=False)


def _sentence(forms: tuple[Form, ...]) -> PlainValidator:
    return PlainValidator(lambda value: read_sentence(value, forms, KINDS))


def _listed(value: object) -> list[object]:
    """Return one sentence as a list of one.

    Raises: `FieldError` for an empty list.
    """
    if value == []:
        raise FieldError("an empty list says nothing", "write a sentence, or leave the key out")
    return value if isinstance(value, list) else [value]


def _read_promise(value: object) -> str:
    if isinstance(value, str) and value[:1] == "S" and value[1:].isdigit() and int(value[1:]) in PROMISES:
        return value
    raise FieldError("there is no such promise", f"write its number in docs/safety.md, S01 to S{PROMISES[-1]}")


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise FieldError("a name is a text", "write it in quotes")
    return read_name(value)


def _read_local(value: object) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is None:
        return value
    raise FieldError("this is no local date and time", "write it without quotes, such as 2026-02-14T09:00:00")


Name = Annotated[str, PlainValidator(_name)]
Promise = Annotated[str, PlainValidator(_read_promise)]
Deeds = Annotated[list[Annotated[Sentence, _sentence(ACTIONS)]], BeforeValidator(_listed)]
Expected = Annotated[list[Annotated[Sentence, _sentence(EXPECTATIONS)]], BeforeValidator(_listed)]


class _Unit(Table):
    id: Name = Field(examples=['"neb-0001"'])
    device: Literal["mesh", "jet"] = Field(examples=['"mesh"'])
    preset: Text | None = Field(default=None, examples=['"mesh.solo"'])
    subjects: list[Name] = Field(default=[], examples=['["MEX-001"]'])
    balance: bool = False
    calibrated: bool | None = None


class _Step(Table):
    at: Annotated[Sentence | None, _sentence(TIMES)] = Field(default=None, examples=['"90 s"'])
    after: Duration | None = Field(default=None, examples=['"10 s"'])
    when: Expected = Field(default=[], examples=['"state residual"'])
    within: Duration | None = Field(default=None, examples=['"3 s"'])
    do: Deeds = Field(default=[], examples=['"unplug for 3 s"'])
    expect: Expected = Field(default=[], examples=['"verdict UNCERTAIN"'])
    not_yet: Promise | None = Field(default=None, examples=['"S54"'])
    unit: Name | None = Field(default=None, examples=['"neb-0002"'])
    note: Text | None = Field(default=None, examples=['"the cable is pulled"'])


class _Scenario(Table):
    format: Literal["nebctl-scenario/1"] = Field(examples=[f'"{FORMAT}"'])
    title: Text = Field(examples=['"The cable comes out for three seconds"'])
    about: Text = Field(examples=['"what happens, and why it matters"'])
    promises: list[Promise] = Field(default=[], examples=['["S16", "S23"]'])
    seed: Annotated[int, Field(ge=0, le=2**31)] = 1
    begins: Annotated[datetime | None, PlainValidator(_read_local)] = Field(default=None)
    unit: list[_Unit] = Field(min_length=1, examples=["[[unit]] with id and device"])
    step: list[_Step] = Field(min_length=1, examples=["[[step]] with do or expect"])


def load_scenario(text: str, file: str, name: str) -> Scenario | tuple[Fault, ...]:
    """Read a scenario, or return everything that is wrong with it in the order of its lines.

    `file` is the name that the faults give, `name` the scenario's own. A text that is no TOML has one fault.
    """
    toml = read_toml(text, file)
    if toml.table is None:
        return toml.faults
    model, faults = read_model(toml, _Scenario)
    if model is None or toml.faults:
        return in_order((*toml.faults, *faults))
    return in_order(_check_together(toml, model)) or _build(toml, model, name)


def _check_together(toml: TomlText, model: _Scenario) -> Iterator[Fault]:
    """Yield a fault for each thing that is right by itself and not beside the others."""
    known = [unit.id for unit in model.unit]
    for index, unit in enumerate(model.unit):
        if unit.id in known[:index]:
            yield _fault(toml, ("unit", index, "id"), unit.id, "this unit stands twice", "give each its own id")
        if unit.device == "jet" and unit.calibrated:
            problem = "a simulated jet has no saline runs, which would want its aerosol share measured"
            yield _fault(toml, ("unit", index, "calibrated"), True, problem, "leave it out, or write a mesh")
        yield from _check_preset(toml, ("unit", index, "preset"), unit)
    for index, step in enumerate(model.step):
        if step.unit is not None and step.unit not in known:
            right = f"write one of {', '.join(known)}"
            yield _fault(toml, ("step", index, "unit"), step.unit, "there is no such unit here", right)
        yield from _check_step(toml, index, step)
        yield from _check_device(toml, index, step, model)


def _check_preset(toml: TomlText, path: Path, unit: _Unit) -> Iterator[Fault]:
    try:
        faults_of(unit.device, unit.preset or PRESETS[unit.device])
    except ValueError as wrong:
        problem, _, right = str(wrong).partition("; ")
        yield _fault(toml, path, unit.preset, problem, right)


def _check_device(toml: TomlText, index: int, step: _Step, model: _Scenario) -> Iterator[Fault]:
    """Yield a fault for each thing that the step's own device cannot do or have."""
    unit = next((unit for unit in model.unit if unit.id == (step.unit or model.unit[0].id)), model.unit[0])
    path: Path = ("step", index, "do")
    for number, sentence in enumerate(step.do):
        if sentence.given.get("temperature") is not None and unit.device not in WARM:
            problem = f"the plant of a {unit.device} knows no temperature of what is poured"
            yield _fault(toml, (*path, number), sentence.text, problem, "leave the temperature out")
        if sentence.name == "inject":
            known = _faults_or_none(unit)
            if known and sentence.given["fault"].fault not in known:
                problem, right = f"a {unit.device} cannot have this fault", f"choose one of: {', '.join(known)}"
                yield _fault(toml, (*path, number), sentence.text, problem, right)


def _faults_or_none(unit: _Unit) -> tuple[str, ...]:
    """Return the faults of a unit's device; none where its preset is wrong and has its own fault."""
    try:
        return faults_of(unit.device, unit.preset or PRESETS[unit.device])
    except ValueError:
        return ()


def _check_step(toml: TomlText, index: int, step: _Step) -> Iterator[Fault]:
    path: Path = ("step", index)
    timed = [name for name in ("at", "after", "when") if getattr(step, name)]
    if len(timed) > 1:
        problem, right = f"a step comes at one time, and this has {' and '.join(timed)}", "keep one of them"
        yield _fault(toml, (*path, timed[1]), None, problem, right)
    if not step.do and not step.expect and not step.when:
        yield _fault(toml, path, None, "this step does nothing", "write do, expect or when")
    if step.within is not None and not step.when and not step.expect:
        yield _fault(toml, (*path, "within"), None, "nothing is waited for", "write when or expect, or leave it out")
    if step.not_yet and not step.expect:
        problem = "a promise that is not kept yet is expected, and fails"
        yield _fault(toml, (*path, "not_yet"), step.not_yet, problem, "write expect beside it, or leave it out")
    if not step.do and any(sentence.name == "refused" for sentence in step.expect):
        problem = "nothing is done here that could be refused"
        yield _fault(toml, (*path, "expect"), None, problem, "write it in the step that does it")


def _fault(toml: TomlText, path: Path, value: Any, problem: str, right: str) -> Fault:
    seen = None if value is None else show_value(value)
    line = toml.line_of(path)
    return Fault(file=toml.file, line=line, field=dotted(path), value=seen, problem=problem, right=right)


def _build(toml: TomlText, model: _Scenario, name: str) -> Scenario:
    return Scenario(
        name=name,
        title=model.title,
        about=model.about,
        promises=tuple(model.promises),
        seed=model.seed,
        begins=model.begins,
        units=tuple(_build_unit(unit) for unit in model.unit),
        steps=tuple(_build_step(toml, index, step) for index, step in enumerate(model.step)),
    )


def _build_unit(unit: _Unit) -> UnitWish:
    return UnitWish(
        id=unit.id,
        device=unit.device,
        preset=unit.preset or PRESETS[unit.device],
        subjects=tuple(unit.subjects),
        balance=unit.balance,
        calibrated=unit.device == "mesh" if unit.calibrated is None else unit.calibrated,
    )


def _build_step(toml: TomlText, index: int, step: _Step) -> Step:
    return Step(
        line=toml.line_of(("step", index)),
        at=step.at,
        after_ns=step.after or 0,
        when=tuple(step.when),
        within_ns=step.within or (PATIENCE_NS if step.when else 0),
        do=tuple(step.do),
        expect=tuple(step.expect),
        not_yet=step.not_yet or "",
        unit=step.unit or "",
        note=step.note or "",
    )
