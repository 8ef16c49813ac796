"""What the parts of weights.json and metrics.json are in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Written"]


class Written(BaseModel):
    """Part of a file: what is not named here may stand in it too, since other versions tell more, or less."""

    model_config = ConfigDict(extra="allow", frozen=True)
