"""How the mask of a segmentation's ensemble is cleaned: of small pieces, and of pieces of several labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field

from spine.core.near_names import did_you_mean
from spine.core.refusals import as_yaml
from spine.core.strict import Strict, without_null

__all__ = ["PieceRule", "PostprocessSettings"]


Most = Annotated[int, Field(ge=1, le=1000)]
Share = Annotated[float, Field(gt=0, le=1)]


def _as_groups(given: Any) -> Any:
    if given is None:
        return ()
    if not isinstance(given, list | tuple) or not all(isinstance(group, list | tuple) for group in given):
        raise ValueError(f"is {as_yaml(given)}, where a list of groups is expected, such as [[L5, L4, L3]], or null")
    return given


class PieceRule(NamedTuple):
    """Which pieces of a class stay: at most so many, the largest; those of a share of the largest one's area.

    Classes of one `unit`, the lowest of them, are parts of one thing to the eye: what is connected of them is of one.
    """

    most: int | None = None
    share: float = 0.0
    unit: int | None = None


class PostprocessSettings(Strict):
    """What is done to the ensemble's mask, by label; nothing unless asked."""

    largest_components: Annotated[
        Mapping[str, Most], BeforeValidator(without_null, json_schema_input_type=Mapping[str, Most | None] | None)
    ] = Field(default_factory=dict)
    smallest_area: Annotated[
        Mapping[str, Share], BeforeValidator(without_null, json_schema_input_type=Mapping[str, Share | None] | None)
    ] = Field(default_factory=dict)
    one_label: Annotated[
        tuple[tuple[str, ...], ...],
        BeforeValidator(_as_groups, json_schema_input_type=tuple[tuple[str, ...], ...] | None),
    ] = ()

    @property
    def asks_for_nothing(self) -> bool:
        """Whether the mask is the likeliest class of each pixel."""
        return not (self.largest_components or self.smallest_area or self.one_label)

    def rules(self, labels: Sequence[str]) -> dict[int, PieceRule]:
        """Class number -> its rule; ValueError where a label is none of `labels`, or is the background, the first."""
        alike = [label for group in self.one_label for label in group]
        named = dict.fromkeys((*self.largest_components, *self.smallest_area, *alike))
        for label in named:
            if label not in labels[1:]:
                raise ValueError(
                    f"postprocess names {label!r}; it is of {', '.join(labels[1:])}, not of the background"
                    f"{did_you_mean(label, labels[1:])}"
                )
        for group in self.one_label:
            if len(group) < 2:
                raise ValueError(f"one_label has the group {as_yaml(group)}; a group has at least two labels")
        if twice := next((label for label in alike if alike.count(label) > 1), None):
            raise ValueError(f"postprocess.one_label names {twice!r} twice; a label is in one group, and once in it")
        units = {label: min(map(labels.index, group)) for group in self.one_label for label in group}
        return {
            labels.index(label): PieceRule(
                self.largest_components.get(label), self.smallest_area.get(label, 0.0), units.get(label)
            )
            for label in named
        }
