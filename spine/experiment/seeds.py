"""Seeds as members: `seeds: 3` of a member stands for three, alike in all but what they draw.

    members:                               members:
      vgg: {network: vgg16, seeds: 3}  ->    vgg_seed1: {network: vgg16}
                                             vgg_seed2: {network: vgg16}
                                             vgg_seed3: {network: vgg16}

A member's seed is made of its name, so each has its own. `shared` may say `seeds` for all members that are trained.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Any

from spine.core.problems import SpineError
from spine.core.refusals import as_yaml
from spine.experiment.snapshots import training_of

__all__ = ["MOST", "member_of_seed", "origin_of", "standing_for", "with_seeds"]

MOST = 100
_KEY = "seeds"


def with_seeds(
    members: Mapping[Any, Any], shared: Mapping[str, Any], apart: Container[str] = ()
) -> tuple[dict[Any, Any], dict[str, Any]]:
    """Members with one for each seed, in their order, and what is shared; neither has `seeds` any more.

    One seed is the member itself. What is shared is not of networks that are kept `apart`. SpineError where `seeds` is
    no number of them, or two members get one name.
    """
    expanded: dict[Any, Any] = {}
    for name, own in members.items():
        for each, settings in _seeds_of(name, own, {} if _network(own) in apart else shared).items():
            if each in expanded or (each != name and each in members):
                raise SpineError(
                    f"members.{name}: one of its seeds is called {each}, as another member is; rename that"
                )
            expanded[each] = settings
    return expanded, _without_seeds(shared)


def standing_for(name: str, members: Mapping[str, Any]) -> list[str]:
    """The members that `name` stands for: itself, or its seeds, its snapshots, or those of its seeds."""
    if name in members:
        return [name]
    trainings = {each: training_of(each, settings) for each, settings in members.items()}
    found = [each for each, training in trainings.items() if name in (training, member_of_seed(training))]
    return found or [name]


def origin_of(name: str, members: Container[str]) -> str:
    """The member of which one that a person names could be a seed or a snapshot; empty where it is of none."""
    shorter = [re.sub(end, "", name) for end in (r"-\d+$", r"_seed\d+$", r"_seed\d+-\d+$")]
    return next((one for one in shorter if one != name and one in members), "")


def member_of_seed(name: str) -> str:
    """What a member is a seed of, as vgg_seed2 is of vgg; empty of a name of another form."""
    match = re.fullmatch(r"(.+)_seed\d+", name)
    return match[1] if match else ""


def _seeds_of(name: Any, own: Any, shared: Mapping[str, Any]) -> dict[Any, Any]:
    trains = own is None or (isinstance(own, Mapping) and "foreign" not in own)
    if not trains or not isinstance(name, str):
        return {name: own}
    own = own or {}
    count = _count(own[_KEY], f"members.{name}") if _KEY in own else _count(shared.get(_KEY, 1), "shared")
    names = [name] if count == 1 else [f"{name}_seed{number}" for number in range(1, count + 1)]
    return {each: _without_seeds(own) for each in names}


def _network(own: Any) -> str:
    return str(own.get("network")) if isinstance(own, Mapping) else ""


def _count(value: Any, where: str) -> int:
    if type(value) is not int or not 1 <= value <= MOST:
        raise SpineError(f"{where}.{_KEY} is {as_yaml(value)}; give how many members to train of it, 1 to {MOST}")
    return value


def _without_seeds(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != _KEY}
