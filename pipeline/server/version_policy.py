"""What `models.config` beside a model says of its versions: labels, and how many or which are served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["Policy", "name_in", "read_policy"]


@dataclass(frozen=True)
class Policy:
    """Label -> version, and the versions that are loaded besides: the `newest` so many, or those named."""

    labels: dict[str, int] = field(default_factory=dict)
    newest: int = 1
    versions: frozenset[int] = frozenset()


def read_policy(directory: Path, name: str) -> Policy:
    """The policy for a model of that name; the default one where there is no file, or none that can be read.

    Unlike in TF Serving, the newest version is always served, so that what `spine export` writes next is answered from.
    """
    return _policies_of(directory).get(name, Policy())


def name_in(directory: Path) -> str:
    """What TF Serving calls the model of a directory by its `models.config`; "" where that is not at hand, or has
    several.
    """
    names = list(_policies_of(directory))
    return names[0] if len(names) == 1 else ""


def _policies_of(directory: Path) -> Mapping[str, Policy]:
    path = directory / "models.config"
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return {}
    return _read(path, changed)


@lru_cache(maxsize=64)
def _read(path: Path, changed: int) -> Mapping[str, Policy]:
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    try:
        parsed = text_format.Parse(path.read_text("utf-8"), model_server_config_pb2.ModelServerConfig())
    except (OSError, ValueError, text_format.ParseError):
        return {}
    return {config.name: _policy(config) for config in parsed.model_config_list.config}


def _policy(config: Any) -> Policy:
    policy = config.model_version_policy
    newest = policy.latest.num_versions if policy.HasField("latest") else 1
    return Policy(
        dict(config.version_labels),
        max(newest, 10**6 if policy.HasField("all") else 1),
        frozenset(policy.specific.versions),
    )
