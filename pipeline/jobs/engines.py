"""The one table of kinds of executor -> engines."""

from __future__ import annotations

from pathlib import Path

from pipeline.jobs.local import Local
from pipeline.jobs.ray_cluster import RayCluster
from pipeline.jobs.run import Engine
from pipeline.jobs.slurm import Slurm
from spine.experiment.config import Experiment

__all__ = ["engine_of", "records_of"]


def engine_of(experiment: Experiment) -> Engine:
    """What runs an experiment's jobs."""
    own = experiment.executor
    if own.kind == "slurm":
        return Slurm(own, records_of(experiment))
    return RayCluster(own) if own.kind == "ray" else Local(own, experiment.jobs)


def records_of(experiment: Experiment) -> Path:
    """The folder of its jobs' records."""
    return experiment.directory / "jobs"
