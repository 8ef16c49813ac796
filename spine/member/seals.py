"""Which SavedModels this project made, or was told to trust: `.trusted` beside `member.json` has a seal of each.

Running a SavedModel runs what its graph says, and that may read and write files. A seal is a hash keyed by the
project's salt, so that nobody else can make one, and of the model's content, so that a changed model has none.
"""

from __future__ import annotations

from pathlib import Path

from spine.core.files import atomic_file
from spine.core.privacy import seal
from spine.core.problems import SpineError

__all__ = ["SEALS", "is_sealed", "put_seal", "require_seal"]

SEALS = ".trusted"  # in a member's directory: a seal a line


def is_sealed(directory: Path, model_hash: str) -> bool:
    """Whether the SavedModel of that fingerprint was made, or trusted, in this project."""
    return bool(model_hash) and seal(model_hash) in _seals(directory)


def put_seal(directory: Path, model_hash: str) -> None:
    """Remember that the SavedModel of that fingerprint may run; the others that were sealed stay so."""
    if model_hash and not is_sealed(directory, model_hash):
        lines = [*_seals(directory), seal(model_hash)]
        with atomic_file(directory / SEALS) as temporary:
            temporary.write_text("\n".join(lines) + "\n")


def require_seal(directory: Path, model_hash: str) -> None:
    """SpineError unless the SavedModel of that fingerprint may run."""
    if not is_sealed(directory, model_hash):
        raise SpineError(
            f"the SavedModel of {directory} was not made in this project, or has changed since (fingerprint "
            f"{model_hash[:16]}), and running one may read and write files. If you trust whoever made it, run `spine "
            "predict EXPERIMENT --trust` once (of a detector for crops `spine data crop ... --trust`, for two stages "
            "`spine two-stage ... --trust`, of a segmenter that members measure by `spine run EXPERIMENT --trust`). "
            "Members that were trained before models were sealed are asked for like this once. Those that were trained "
            "under another .spine-salt need no trust once it is put back, or "
            "SPINE_SALT set to it"
        )


def _seals(directory: Path) -> list[str]:
    try:
        return (directory / SEALS).read_text("ascii", errors="replace").split()
    except FileNotFoundError:
        return []
