"""The settings models by the section of docs/settings.md that tells their keys, and what it tells of each key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

from pydantic import BaseModel

from classification.config import FineTuning, Head
from classification.config import Settings as Classification
from classification.measured.config import MeasuredSettings
from detection import config as detection
from ensemble.case.config import CaseSettings, Discs, Region
from pipeline.papers.facts import Note
from pipeline.papers.held import Held
from pipeline.papers.layout import Layout
from pipeline.papers.pack import ComparedBars, ComparedColumn, ComparedRow, ComparedTable, Pack, TunedPart
from segmentation.config import Patches
from segmentation.config import Settings as Segmentation
from spine.dataset.splits import SplitSettings
from spine.experiment.about import AboutSettings
from spine.experiment.config import Experiment
from spine.experiment.executor import ExecutorSettings
from spine.experiment.loading import Elsewhere, Suite, TwoStages
from spine.experiment.postprocess import PostprocessSettings
from spine.experiment.stages import BatchingSettings, DecideSettings, EvaluateSettings, ExportSettings, SearchSettings
from spine.experiment.tuning import Range, TuneSettings
from spine.intake.config import DataConfig, Source, Target
from spine.intake.crop import CropSettings
from spine.phantom import CervicalSettings, FractureSettings, ImplantSettings, PhantomSettings
from spine.training.augment import Augmentation
from spine.training.schedule import Plateau
from spine.training.view import View

__all__ = ["SECTIONS", "meanings"]

SECTIONS: Mapping[str, type[BaseModel]] = {
    "Experiment": Experiment,
    "search": SearchSettings,
    "decide": DecideSettings,
    "postprocess": PostprocessSettings,
    "evaluate": EvaluateSettings,
    "export": ExportSettings,
    "batching": BatchingSettings,
    "about": AboutSettings,
    "executor": ExecutorSettings,
    "tune": TuneSettings,
    "range": Range,
    "A classification member": Classification,
    "A member that measures": MeasuredSettings,
    "view": View,
    "head": Head,
    "fine_tuning": FineTuning,
    "A segmentation member": Segmentation,
    "patches": Patches,
    "A detection member": detection.Settings,
    "decoder": detection.Decoder,
    "fpn": detection.FPN,
    "anchor": detection.Anchor,
    "rpn_head": detection.RPNHead,
    "roi_generator": detection.ROIGenerator,
    "roi_sampler": detection.ROISampler,
    "roi_aligner": detection.ROIAligner,
    "detection_head": detection.DetectionHead,
    "detection_generator": detection.DetectionGenerator,
    "parser": detection.Parser,
    "losses": detection.Losses,
    "reduce_on_plateau": Plateau,
    "augmentation": Augmentation,
    "Data config": DataConfig,
    "source": Source,
    "target": Target,
    "crop": CropSettings,
    "splits": SplitSettings,
    "phantom": PhantomSettings,
    "phantom of necks": CervicalSettings,
    "phantom of fractures": FractureSettings,
    "phantom of implants": ImplantSettings,
    "Case": CaseSettings,
    "discs": Discs,
    "region": Region,
    "Suite": Suite,
    "also of a suite": Elsewhere,
    "two_stage of a suite": TwoStages,
    "Pack": Pack,
    "data of a pack": Layout,
    "held": Held,
    "compared table": ComparedTable,
    "compared column": ComparedColumn,
    "compared row": ComparedRow,
    "bars": ComparedBars,
    "tuned part": TunedPart,
    "note": Note,
}


def meanings() -> dict[str, dict[str, str]]:
    """Section -> key -> its meaning, as plain text; the page lies beside this module by a link."""
    _, *parts = re.split(r"^## ", files(__package__).joinpath("settings.md").read_text("utf-8"), flags=re.MULTILINE)
    return {part.partition("\n")[0]: _meanings_of(part) for part in parts}


def _meanings_of(section: str) -> dict[str, str]:
    rows = re.findall(r"^\| `(\w+)` \| .+? \| (.+) \|$", section, flags=re.MULTILINE)
    return {key: _as_plain(meaning) for key, meaning in rows}


def _as_plain(markdown: str) -> str:
    """Without the links, which lead nowhere in an editor."""
    without_asides = re.sub(r"[,;]? see \[[^]]*\]\([^)]*\)", "", markdown)
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", without_asides).strip()
