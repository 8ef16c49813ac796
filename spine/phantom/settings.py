"""What a user chooses about a phantom, one model a kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from spine.core.strict import Strict

__all__ = [
    *("AnySettings", "CervicalSettings", "FractureSettings", "ImplantSettings"),
    *("KindSettings", "MRSettings", "PhantomSettings"),
]

Difficulty = Annotated[float, Field(ge=0, le=3)]  # scatter of each visible sign; 0: the signs tell the truth
Noise = Annotated[float, Field(ge=0, le=5)]  # multiplies each scanner's own noise
Share = Annotated[float, Field(ge=0, le=1)]


class KindSettings(Strict):
    """What every kind has; equal settings give equal bytes."""

    kind: str
    patients: int = Field(80, ge=1, le=9999)
    seed: int = Field(0, ge=0)
    size: tuple[int, int] = (192, 256)  # least and greatest height of a picture in pixels

    @model_validator(mode="after")
    def _is_drawable(self) -> KindSettings:
        least, greatest = self.size
        if not 128 <= least <= greatest <= 1024:
            raise ValueError(f"size is {self.size}; 128 <= least <= greatest <= 1024 must hold")
        return self


class MRSettings(KindSettings):
    """Series of sagittal slices; widths are 0.8 to 0.9 of the heights."""

    slices: tuple[Literal[3, 5, 7, 9, 11], ...] = (7, 9)  # a series has one of these; odd, so that one is the middle
    difficulty: Difficulty = 1.0
    noise: Noise = 1.0

    @model_validator(mode="after")
    def _has_slices(self) -> MRSettings:
        if not self.slices:
            raise ValueError("slices is empty; give at least one number of slices, such as [7]")
        return self


class PhantomSettings(MRSettings):
    """Lumbar sagittal MR with masks, boxes and grades of discs: the kind where none is named."""

    # Excluded, so that what is written of these settings reads as it did when there was no other kind.
    kind: Literal["lumbar"] = Field(default="lumbar", exclude=True)
    t2star: Share = 0.15  # share of patients with T2*W instead of T2W
    distractors: Share = 0.35  # share of patients with a T1, and with an axial T2, series too


class CervicalSettings(MRSettings):
    """Cervical sagittal MR with boxes of injured discs and of lesions of the cord."""

    kind: Literal["cervical"]
    slices: tuple[Literal[3, 5, 7, 9, 11], ...] = (5, 7)
    disc: Share = 0.45  # share of patients with an injured disc
    injury: Share = 0.35  # share of patients with a lesion of the cord
    t1: Share = 0.3  # share of patients with a T1W series too


class FractureSettings(KindSettings):
    """Axial CT of a cervical vertebra as pictures in a folder a class: Normal, and Abnormal where it is fractured."""

    kind: Literal["fracture"]
    size: tuple[int, int] = (128, 400)  # widths are 0.75 to 1.4 of the heights
    fractured: Share = 0.5  # share of patients
    pictures: tuple[int, int] = (1, 3)  # least and greatest number of a patient's neighbouring slices
    difficulty: Difficulty = 1.0
    noise: Noise = 1.0
    dicom: bool = False  # write the slices as DICOM in Hounsfield units too

    @model_validator(mode="after")
    def _has_pictures(self) -> FractureSettings:
        least, greatest = self.pictures
        if not 1 <= least <= greatest <= 5:
            raise ValueError(f"pictures is {self.pictures}; 1 <= least <= greatest <= 5 must hold")
        return self


class ImplantSettings(KindSettings):
    """Radiographs and MR with a spinal implant (Lum) or a scoliosis (sco), of three sources that the label follows."""

    kind: Literal["implant"]  # of four patients two are of `xray`, one of `mri`, one of `scoliosis`
    slices: tuple[Literal[3, 5, 7, 9, 11], ...] = (5, 7)  # of an MR series
    confounding: Share = 0.9  # share of patients whose finding is that of their source; 1: the source tells the label
    plain: Share = 0.25  # share of X-ray patients without a finding
    difficulty: Difficulty = 1.0
    noise: Noise = 1.0

    @model_validator(mode="after")
    def _has_slices(self) -> ImplantSettings:
        if not self.slices:
            raise ValueError("slices is empty; give at least one number of slices, such as [5]")
        return self


def kind(settings: Any) -> str:
    """The kind that settings, or a mapping that may become them, are of."""
    named = settings.get("kind", "lumbar") if isinstance(settings, Mapping) else getattr(settings, "kind", "lumbar")
    return str(named)


AnySettings = Annotated[
    Annotated[PhantomSettings, Tag("lumbar")]
    | Annotated[CervicalSettings, Tag("cervical")]
    | Annotated[FractureSettings, Tag("fracture")]
    | Annotated[ImplantSettings, Tag("implant")],
    Discriminator(kind),
]
