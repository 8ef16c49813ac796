"""A phantom's directory: written whole, kept while it is unchanged, with a card of what it holds."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from spine.core.files import atomic_directory, fingerprint, hash_file, read_if_whole, walk, write_json
from spine.core.problems import SpineError
from spine.phantom.settings import KindSettings

__all__ = ["write_phantom"]

_VERSIONS = {"lumbar": 1, "cervical": 2, "fracture": 1, "implant": 2}  # raised when equal settings give other bytes
_KINDS = {
    "lumbar": "spine.phantom.lumbar.study",
    "cervical": "spine.phantom.cervical.study",
    "fracture": "spine.phantom.fracture.study",
    "implant": "spine.phantom.implant.study",
}
_CARD = "phantom.json"  # settings, fingerprints, and what the kind tells


def write_phantom(settings: KindSettings, directory: Path) -> Path:
    """`spine.phantom.generate`: write the studies, or keep the unchanged copy that is there; gives the directory."""
    directory = Path(directory)
    wanted = fingerprint([_VERSIONS[settings.kind], settings.model_dump(mode="json")])
    if _is_current(directory, wanted):
        return directory
    study = import_module(_KINDS[settings.kind])
    with atomic_directory(directory) as temporary:
        told = study.write_studies(settings, temporary)
        marks = {"settings_hash": wanted, "content_hash": _content_hash(temporary)}
        write_json({**marks, "settings": settings.model_dump(mode="json"), **told}, temporary / _CARD)
    return directory


def _is_current(directory: Path, wanted: str) -> bool:
    if not directory.exists() or not any(directory.iterdir()):
        return False
    if not (directory / _CARD).is_file():
        raise SpineError(f"{directory} holds files but no {_CARD}; give the phantom a directory of its own")
    card = read_if_whole(directory / _CARD)
    return card.get("settings_hash") == wanted and card.get("content_hash") == _content_hash(directory)


def _content_hash(directory: Path) -> str:
    files = [path for path in walk(directory, hidden=True).files if path.name != _CARD]
    return fingerprint([(path.relative_to(directory).as_posix(), hash_file(path)) for path in files])
