"""What an experiment says of where its jobs run: on this machine, on a Slurm cluster, or on a Ray cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from spine.core.strict import Strict

__all__ = ["ExecutorSettings"]


class ExecutorSettings(Strict):
    """Where jobs run, and what each may use there. Of these no result depends, and no hash."""

    kind: Literal["local", "slurm", "ray"] = "local"
    cpus: int = Field(default=0, ge=0, le=4096)  # cores a job; 0: of this machine its share, of a cluster 4
    gpus: int = Field(default=0, ge=0, le=64)  # GPUs a job; local: how many of the visible ones each sees, 0 for all
    memory: float = Field(default=0, ge=0)  # GB a job; 0: what the cluster gives
    retries: int = Field(default=1, ge=0, le=100)  # how often a job is run again that was killed, or whose node is gone
    smaller_batch: bool = (
        False  # a training that ran out of memory is run once more with half its batch, told by its card
    )
    patience: float = Field(default=60, gt=0)  # minutes until a job that nobody has begun is told
    minutes: int = Field(default=1440, ge=1)  # of Slurm: the longest that a job may take
    partition: str = ""  # of Slurm
    account: str = ""  # of Slurm
    through: Literal["slurm", "local", "debug"] = "slurm"  # submitit's engine: its own processes show how it would go
    address: str = ""  # of Ray: the cluster to join; empty: one that starts here, and ends with the command
    token: Path | None = None  # of Ray: the file with the cluster's token
    store: str = ""  # of Ray, where its machines share no disk: the fsspec URL by which files travel

    @model_validator(mode="after")
    def _store_is_of_ray(self) -> Self:
        if self.store and self.kind == "slurm":
            raise ValueError("store is of ray; the machines of a Slurm cluster share a disk: leave it out")
        return self

    @field_validator("store")
    @classmethod
    def _holds_no_secret(cls, store: str) -> str:
        if "@" in store.partition("://")[2].partition("/")[0]:
            raise ValueError(
                "holds a user or a password; leave them to the environment, as the store's library reads them"
            )
        return store
