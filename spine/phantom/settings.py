"""What a user chooses about the phantom."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from spine.core.strict import Strict

__all__ = ["PhantomSettings"]


class PhantomSettings(Strict):
    """How many phantom patients, how large and how hard; equal settings give equal bytes."""

    patients: int = Field(80, ge=1, le=9999)
    seed: int = Field(0, ge=0)
    size: tuple[int, int] = (192, 256)  # least and greatest height of a picture in pixels; widths are 0.8-0.9 of it
    slices: tuple[Literal[3, 5, 7, 9, 11], ...] = (7, 9)  # a series has one of these; odd, so that one is the middle
    difficulty: float = Field(1.0, ge=0, le=3)  # scatter of each visible sign of a grade; 0: signs tell the grade
    noise: float = Field(1.0, ge=0, le=5)  # multiplies each scanner's own noise
    t2star: float = Field(0.15, ge=0, le=1)  # share of patients with T2*W instead of T2W
    distractors: float = Field(0.35, ge=0, le=1)  # share of patients with a T1, and with an axial T2, series too

    @model_validator(mode="after")
    def _is_drawable(self) -> PhantomSettings:
        least, greatest = self.size
        if not 128 <= least <= greatest <= 1024:
            raise ValueError(f"size is {self.size}; 128 <= least <= greatest <= 1024 must hold")
        if not self.slices:
            raise ValueError("slices is empty; give at least one number of slices, such as [7]")
        return self
