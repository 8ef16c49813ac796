"""Numbers as the files that stages write hold them: null where a score is undefined."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BeforeValidator, Field

__all__ = ["Number", "Score"]


def _null_where_undefined(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Score = Annotated[Number | None, BeforeValidator(_null_where_undefined)]  # None: undefined, null in the file
