"""What must stand in the files that the ensemble's stages hand on, so that a damaged one is told, by the key."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictStr, field_validator

__all__ = ["WeightsFile"]

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class _Open(BaseModel):
    """What is not named here may stand there too: other versions tell more, or less."""

    model_config = ConfigDict(extra="allow")


class _Patients(_Open):
    salt: StrictStr
    searched: list[StrictStr]


class WeightsFile(_Open):
    """weights.json, as `spine search` leaves it."""

    weights: dict[str, Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]] = Field(min_length=1)
    metric: StrictStr
    method: StrictStr
    step: Number
    split: StrictStr
    score: Number | None
    predictions: dict[str, StrictStr]
    patients: _Patients
    fusion: dict[str, Number] = {}
    temperatures: dict[str, Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]] = {}
    class_weights: dict[str, list[Number]] = {}
    nested: dict[str, Any] = {}
    contributions: dict[str, Any] = {}

    @field_validator("weights")
    @classmethod
    def _are_shares(cls, weights: dict[str, float]) -> dict[str, float]:
        if not math.isclose(total := sum(weights.values()), 1, abs_tol=1e-6):
            raise ValueError(f"the weights sum to {total:g}, and shares of a whole sum to 1")
        return weights
