"""An experiment file with `targets` stands for several experiments, one a target, whose members are trained together.

    name: grades
    targets:                                                     name: grades_pfirrmann  target: pfirrmann  labels: ...
      pfirrmann: {labels: ["1", ..., "5"], ordinal: true}   ->
      narrowing: {labels: [normal, narrowed]}                    name: grades_narrowing  target: narrowing  labels: ...

Each has `heads`, which names them all; what a target says of a stage goes before what the file says of it for all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from spine.core.extends import merge_deep
from spine.core.near_names import did_you_mean
from spine.core.problems import SpineError
from spine.core.strict import Strict, validate
from spine.experiment.stages import NAME

__all__ = ["OF_A_TARGET", "experiments_of_targets", "is_of_targets", "refuse_of_heads", "settings_of_file"]

OF_A_TARGET = ("labels", "ordinal", "search", "decide", "evaluate", "export")  # what a target may say of its own
_OF_HEAD = ("labels", "ordinal")
_OF_FILE = ("name", "target", "targets")


def is_of_targets(raw: Mapping[str, Any]) -> bool:
    """Whether the settings of a file stand for an experiment a target."""
    return raw.get("targets") is not None


class _OfTarget(Strict):
    """What a target says of itself; its stages' settings are validated with the experiment that it stands for."""

    labels: tuple[str, ...]
    ordinal: bool = False


class _Targets(Strict):
    targets: Mapping[str, _OfTarget]


def refuse_of_heads(overrides: Sequence[str]) -> None:
    """SpineError where an override is for all targets, and each has its own of it."""
    for text in overrides:
        if (key := text.partition("=")[0]) in _OF_HEAD:
            raise SpineError(f"override {text!r}: each target has its own {key}; give targets.TARGET.{key}")


def settings_of_file(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """The overrides that are of a file with targets, and those of each of its experiments."""
    of_file = [text for text in overrides if text.partition("=")[0].split(".")[0] in _OF_FILE]
    return of_file, [text for text in overrides if text not in of_file]


def experiments_of_targets(raw: Mapping[str, Any], where: str) -> dict[str, dict[str, Any]]:
    """Target -> the settings of its experiment; only that of `target` where the file, or an override, names one.

    SpineError where a target is none of them, or has settings that are the file's alone; `where` names the file.
    """
    targets = raw["targets"]
    _check(raw, targets)
    own = {target: {key: of[key] for key in _OF_HEAD if key in of} for target, of in targets.items()}
    validate(_Targets, {"targets": own}, where)  # by the keys that a person wrote, which `heads` are none of
    shared = {key: value for key, value in raw.items() if key not in (*_OF_FILE, *_OF_HEAD)}
    heads = [_head(raw, target, own) for target, own in targets.items()]
    chosen = [raw["target"]] if raw.get("target") else list(targets)
    return {
        head["target"]: _with_own_export(merge_deep(shared, {**targets[head["target"]], **head, "heads": heads}), raw)
        for head in heads
        if head["target"] in chosen
    }


def _head(raw: Mapping[str, Any], target: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """As the experiments' `heads` have it."""
    of_head = {key: own[key] for key in _OF_HEAD if key in own}
    return {"name": f"{raw['name']}_{target}", "target": target, **of_head}


def _with_own_export(settings: dict[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    """Where the file names the model that is served, each target's has a name of its own."""
    export, target = settings.get("export"), settings["target"]
    own = (raw["targets"][target].get("export") or {}) if isinstance(export, Mapping) else {}
    if not isinstance(export, Mapping) or not export.get("name") or "name" in own:
        return settings
    return {**settings, "export": {**export, "name": f"{export['name']}_{target}"}}


def _check(raw: Mapping[str, Any], targets: Any) -> None:
    if not isinstance(targets, Mapping) or not targets:
        raise SpineError(
            f"targets is {targets!r}; give a mapping, such as {{narrowing: {{labels: [normal, narrowed]}}}}"
        )
    for target, own in targets.items():
        if not isinstance(target, str):
            raise SpineError(f'the target {target} is a number to YAML; write "{target}", in quotes')
        if not re.fullmatch(NAME, target):
            raise SpineError(
                f"the target {target!r} becomes part of an experiment's name, which has letters, digits, '.', '_' and "
                "'-'; rename it, in the data config too"
            )
        if not isinstance(own, Mapping):
            raise SpineError(f"targets.{target} is {own!r}; give it labels, such as {{labels: [normal, narrowed]}}")
        if strange := [key for key in own if key not in OF_A_TARGET]:
            raise SpineError(
                f"targets.{target} has {', '.join(map(str, strange))}; a target has {', '.join(OF_A_TARGET)}"
                f"{did_you_mean(str(strange[0]), OF_A_TARGET)}"
            )
        if "labels" not in own:
            raise SpineError(f"targets.{target} has no labels; give them, such as labels: [normal, narrowed]")
    if given := [key for key in (*_OF_HEAD, "heads") if raw.get(key) is not None]:
        raise SpineError(f"has {' and '.join(given)} beside targets; give each target its own, and remove it here")
    if len({target.casefold() for target in targets}) < len(targets):
        raise SpineError(
            f"targets {', '.join(targets)} differ in part only in case, which some disks ignore; rename one"
        )
    if "name" not in raw:
        raise SpineError("has targets and no name; give the name that those of its experiments begin with")
    if (target := raw.get("target")) and target not in list(targets):
        known = ", ".join(targets)
        raise SpineError(f"target is {target!r}; it is one of {known}{did_you_mean(str(target), targets)}")
