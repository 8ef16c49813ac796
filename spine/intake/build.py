"""Build a dataset: read the sources, crop, split, write; skip it all where nothing changed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from spine import __version__
from spine.core.files import (
    atomic_directory,
    atomic_file,
    fingerprint,
    hash_file,
    read_if_whole,
    remove_leftovers,
    walk,
    write_json,
)
from spine.core.privacy import salt_id
from spine.core.problems import Problem, SpineError, read_problems, write_problems, write_sheet
from spine.core.processes import exclusive_lock
from spine.intake.built import CARD, records_of
from spine.intake.config import DataConfig, load_data_config

if TYPE_CHECKING:
    from rich.table import Table

    from spine.dataset.manifest import Manifest
    from spine.dataset.splits import SplitSettings
    from spine.intake.crop import CropSettings
    from spine.intake.records import Records

__all__ = ["SUMMARY", "BuildResult", "build", "detection_counts", "detection_table"]

READ_WHAT_IS_WRITTEN = ("coco", "labelme", "mask")  # formats whose files, .json and .png, a dataset has as well
SUMMARY = "detections_summary.csv"  # of a detector: how many boxes of each split were found, missed, made up


@dataclass(frozen=True)
class BuildResult:
    """A dataset that was built, or found unchanged: its directory, what was wrong, its counts by split."""

    root: Path
    problems: list[Problem]
    counts: pd.DataFrame
    skipped: bool = False


def build(config: DataConfig | Path | str, force: bool = False) -> BuildResult:
    """Build the dataset of a config into its `output`, whole or not at all; unchanged inputs are skipped.

    A bad file or annotation becomes a problem and the good ones go on. `output` also holds notes.csv (why each slice
    was chosen) and a card of what it was built from. problems.csv, files.csv (which picture each sample is) and the
    resolved config lie beside it, in `<output>.build`: they quote paths and values of the sources, which can name
    patients, and a dataset of pseudonyms may be handed on without them. Raises SpineError where nothing can be built,
    or another process builds the same; the problems met until then are in problems.csv all the same.
    """
    config = config if isinstance(config, DataConfig) else load_data_config(config)
    _check_output(config)
    if config.phantom:
        from spine.phantom import generate

        generate(config.phantom.settings, config.phantom.directory)
    card = {"inputs": _inputs(config), "spine": __version__, "name": config.name}
    listed = records_of(config.output) / "problems.csv"
    with exclusive_lock(config.output):
        if not force and _is_built(config.output, card, listed) and _keeps_pictures(config):
            return _result(config.output, listed, skipped=True)
        for path in (config.output, listed, *(listed.with_name(name) for name in ("config.yaml", "files.csv"))):
            remove_leftovers(path, older_than=0)  # of builds that were killed: this one alone is at work
        with atomic_directory(config.output) as root:
            with _listing(listed) as problems:
                _fill(config, root, listed.with_name("files.csv"), problems)
            with atomic_file(listed.with_name("config.yaml")) as file:
                file.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
            write_json({**card, "problems": hash_file(listed)}, root / CARD)
        return _result(config.output, listed, skipped=False)


def _check_output(config: DataConfig) -> None:
    if config.splits.like and config.output.resolve() == config.splits.like.resolve():
        raise SpineError(f"output {config.output} is the dataset whose splits are taken; choose another `output`")
    if config.dataset and config.output.resolve() == config.dataset.resolve():
        raise SpineError(f"output {config.output} is the dataset that is cropped; choose another `output`")
    for source in config.sources:
        told = [one.path for one in source.annotations if one.format in READ_WHAT_IS_WRITTEN]
        for folder, what in [(source.images, "images"), *((path, "annotations") for path in told)]:
            if config.output.resolve().is_relative_to(folder.resolve()):
                raise SpineError(
                    f"output {config.output} lies within {folder}, the {what} of source {source.name}: the next build "
                    f"would read what this one writes as more {what}; choose another `output`"
                )


@contextmanager
def _listing(file: Path) -> Iterator[list[Problem]]:
    """A list to gather problems in, written to `file` however the block ends; where it fails, its error names it."""
    problems: list[Problem] = []
    try:
        yield problems
    except SpineError as error:
        if not problems:
            raise
        listed = len(dict.fromkeys(problems))
        told = f"{listed} problems are" if listed > 1 else "1 problem is"
        raise SpineError(f"{error}; {told} listed in {file}") from error
    finally:
        write_problems(dict.fromkeys(problems), file)  # a damaged file may be met once for pictures, once for boxes


def _fill(config: DataConfig, root: Path, files: Path, problems: list[Problem]) -> None:
    from spine.dataset.manifest import Manifest
    from spine.intake.records import Records
    from spine.intake.sources import read_source

    if config.dataset and config.crop:
        _crop(Manifest.read(config.dataset), root, config.crop, problems)
        files.unlink(missing_ok=True)  # of an earlier build into the same directory, from sources
        return
    with tempfile.TemporaryDirectory(dir=root, prefix=".whole") as scratch:
        whole = Path(scratch) if config.crop else root
        records = Records(whole, config.targets, problems=problems)
        for source in config.sources:
            read_source(source, records, Path(scratch))
        manifest = records.manifest()
        if config.crop:
            manifest = _crop(manifest, root, config.crop, problems)
    replace(manifest, splits=_splits(manifest, records, config.splits)).write()
    _write_notes(records.notes, root / "notes.csv")
    write_sheet(pd.DataFrame(records.files, columns=["sample", "source", "file"]), files)


def _splits(manifest: Manifest, records: Records, settings: SplitSettings) -> pd.DataFrame:
    from spine.dataset.manifest import Manifest
    from spine.dataset.splits import make_splits, splits_like

    if settings.like:
        return splits_like(manifest.images, manifest.labels, settings, Manifest.read(settings.like))
    parents = manifest.images["parent"].where(manifest.images["parent"] != "", manifest.images["sample"])
    # Patients as the source names them: a split must not change with the salt.
    images = manifest.images.assign(patient=parents.map(records.patients))
    stated = dict(zip(images["sample"], parents.map(records.stated), strict=True))
    return make_splits(images, manifest.labels, settings, stated)


def _crop(manifest: Manifest, root: Path, settings: CropSettings, problems: list[Problem]) -> Manifest:
    """Crops of the true boxes or a detector's; then detections.csv and missed.csv tell each box, SUMMARY how many."""
    from spine.intake.crop import crop_samples

    if settings.detector is None:
        return crop_samples(manifest, manifest.boxes, root, settings)
    from spine.intake.detected import detect_boxes

    detected, found = detect_boxes(manifest, settings)
    problems += found
    write_sheet(detected.boxes, root / "detections.csv")
    write_sheet(detected.missed, root / "missed.csv")
    write_sheet(detected.summary(), root / SUMMARY, index_label="split")
    return crop_samples(manifest, detected.boxes, root, settings)


def detection_counts(root: Path, split: str) -> dict[str, int] | None:
    """How many boxes of a split are `true`, `detected`, `matched`, `missed` and `unmatched`; None where no detector
    made the crops, or none of them are of that split.
    """
    if not (root / SUMMARY).exists():
        return None
    rows = pd.read_csv(root / SUMMARY, dtype=str, keep_default_na=False).set_index("split").to_dict("index")
    if split not in rows:
        return None
    return {name: int(rows[split][name]) for name in ("true", "detected", "matched", "missed", "unmatched")}


def detection_table(root: Path) -> Table | None:
    """What a detector found of the true boxes, split by split; None where crops are of true boxes."""
    from rich.table import Table

    if not (root / SUMMARY).exists():
        return None
    found = pd.read_csv(root / SUMMARY, dtype=str, keep_default_na=False).set_index("split").T
    table = Table("", *found.columns, title="boxes of the detector")
    for name, counts in found.iterrows():
        table.add_row(str(name), *counts)
    return table


def _write_notes(notes: Mapping[str, str], path: Path) -> None:
    rows = [(sample, note) for sample, note in notes.items() if note]
    write_sheet(pd.DataFrame(rows, columns=["sample", "note"]), path)


def _result(root: Path, listed: Path, skipped: bool) -> BuildResult:
    from spine.dataset.audit import count
    from spine.dataset.manifest import Manifest

    return BuildResult(root, read_problems(listed), count(Manifest.read(root)), skipped)


def _is_built(root: Path, card: dict[str, Any], listed: Path) -> bool:
    if not root.exists() or not any(root.iterdir()):
        return False
    if not (root / CARD).exists():
        raise SpineError(f"{root} holds files that no build has written; choose another `output`, or remove it")
    if not (root / "dataset.json").exists() or not listed.exists():
        return False
    return read_if_whole(root / CARD) == {**card, "problems": hash_file(listed)}


def _keeps_pictures(config: DataConfig) -> bool:
    """Whether crops have their whole pictures beside them, which older versions did not keep."""
    return config.crop is None or (config.output / "parents").is_dir()


def _inputs(config: DataConfig) -> str:
    """Fingerprint of the config and of every input file's name, size and time of change."""
    given = [source.images for source in config.sources]
    given += [file for source in config.sources for annotations in source.annotations for file in annotations.files]
    others = [other for other in (config.dataset, config.splits.like) if other]
    given += [other / name for other in others for name in ("dataset.json", "splits.csv")]
    given += [config.crop.detector / "member.json"] if config.crop and config.crop.detector else []
    trees = [walk(path) for path in given]
    files = sorted({file for tree in trees for file in tree.files})
    seen = [(file.as_posix(), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    lost = sorted(path.as_posix() for tree in trees for path in tree.lost)
    hidden = any(source.pseudonymise is not False for source in config.sources)
    return fingerprint([config.model_dump(mode="json"), seen, lost, salt_id() if hidden else ""])
