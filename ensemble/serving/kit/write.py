"""Writing the kit beside `model/`, of any member's directory: an ensemble, a case, or a member alone."""

from __future__ import annotations

from pathlib import Path

from ensemble.serving.kit.configs import batching_config, models_config, monitoring_config
from ensemble.serving.kit.container import compose_file, start_script
from ensemble.serving.kit.versions import Served
from ensemble.tasks import ENSEMBLE_TASKS
from spine.core.files import atomic_file
from spine.experiment.stages import ExportSettings
from spine.member.member import Member

__all__ = ["write_serving_kit"]


def write_serving_kit(directory: Path, name: str, settings: ExportSettings | None = None) -> list[Path]:
    """Write what TF Serving needs to serve a member's directory as `name`; the files, those to open first.

    SpineError where the settings name a version that is not there. What is unchanged keeps its time.
    """
    settings = settings or ExportSettings()
    member = Member.open(directory)
    served = Served.of([int(version.name) for version in Member.versions_of(directory)], settings)
    asked = settings.batching.enabled
    # Those of different clients have different sizes, which a batch of segmentations or cases cannot.
    task = ENSEMBLE_TASKS.get(member.card.task)
    batches = bool(task and task.takes_any_sizes) if asked is None else asked
    texts = {
        "models.config": models_config(name, served),
        "serve.sh": start_script(name, batches),
        "docker-compose.yml": compose_file(name, batches),
        "batching.config": batching_config(settings.batching),
        "monitoring.config": monitoring_config(),
    }
    for file, text in texts.items():
        _write(directory / file, text)
    return [directory / file for file in texts]


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text:
        return
    with atomic_file(path) as temporary:
        temporary.write_text(text)
        temporary.chmod(0o755 if path.suffix == ".sh" else 0o644)
