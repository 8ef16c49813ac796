"""The one table of kinds of executor -> engines."""

from __future__ import annotations

from pathlib import Path

from pipeline.jobs.local import Local
from pipeline.jobs.ray_cluster import RayCluster
from pipeline.jobs.run import Engine
from pipeline.jobs.slurm import Slurm
from spine.experiment.config import Experiment
from spine.experiment.executor import ExecutorSettings

__all__ = ["engine_by", "engine_of", "records_of"]


def engine_of(experiment: Experiment) -> Engine:
    """What runs an experiment's jobs."""
    return engine_by(experiment.executor, records_of(experiment), experiment.jobs)


def engine_by(settings: ExecutorSettings, records: Path, at_once: int) -> Engine:
    """What runs jobs whose records lie in a folder; of this machine so many at once."""
    if settings.kind == "slurm":
        return Slurm(settings, records)
    return RayCluster(settings) if settings.kind == "ray" else Local(settings, at_once)


def records_of(experiment: Experiment) -> Path:
    """The folder of its jobs' records."""
    return experiment.directory / "jobs"
