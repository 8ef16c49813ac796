"""A folder a class: `<root>/<class>/image.png`, or `<root>/<split>/<class>/image.png`."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

from spine.annotations.collector import Collector
from spine.annotations.sources import is_image, may_be_picture, split_folder, split_of
from spine.annotations.types import Annotation, Malformed, Reading
from spine.core.files import atomic_file, walk
from spine.core.names import composed, file_name
from spine.core.near_names import did_you_mean
from spine.core.problems import SpineError, examples
from spine.images.kinds import kind_of

__all__ = ["read", "write"]


def read(
    path: Path, *, labels: Collection[str] | None = None, images: Path | None = None, target: str = "class"
) -> Reading:
    """Read the pictures below `path`: each has one label, `target` -> the name of its class folder.

    `labels` are the known classes, all others a problem. Folders below a class folder (one a patient, say) are
    followed.
    """
    if not path.is_dir():
        raise SpineError(f"{path} is not a folder; give the folder that holds a folder a class")
    root = images if images is not None and path.is_relative_to(images) else path
    collector = Collector()
    folders = _class_folders(path)
    for folder in folders:
        with collector.guard(folder):
            _read_class(collector, root, folder, target, labels)
    within = {folder.parent for folder in folders} | {path}
    strays = sorted(file for folder in within for file in folder.iterdir() if file.is_file() and _is_picture(file))
    for stray in strays:
        collector.error(stray, "lies in no class folder", "move it into the folder of its class")
    if not folders and not strays:
        raise SpineError(f"{path} holds no folder of a class; give the folder that holds a folder a class")
    return collector.reading()


def _class_folders(root: Path) -> list[Path]:
    folders = _folders(root)
    if folders and all(split_of(f"{folder.name}/x") for folder in folders):
        return [inner for folder in folders for inner in _folders(folder)]
    return folders


def _folders(root: Path) -> list[Path]:
    """The folders in `root`, linked ones too, but for a link that leads back to it or above it."""
    here = root.resolve()
    found = (path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    return sorted(folder for folder in found if not here.is_relative_to(folder.resolve()))


def _read_class(collector: Collector, root: Path, folder: Path, target: str, labels: Collection[str] | None) -> None:
    known = None if labels is None else {composed(label): label for label in labels}
    label = composed(folder.name) if known is None else known.get(composed(folder.name))
    if label is None:
        told = ", ".join(labels or ())
        raise Malformed(f"unknown class {folder.name!r}; known are {told}", "rename it, or add the label")
    files = walk(folder).files
    pictures = [file for file in files if _is_picture(file)]
    if files and not pictures:
        reason = f"holds {len(files)} files and no picture: {examples(files, folder)}"
        raise Malformed(reason, "convert them to PNG, JPEG, TIFF or DICOM, or remove the folder")
    if not files:
        collector.warn(folder, "holds no picture", "remove the folder, or put the pictures of its class there")
    for picture in pictures:
        name = picture.relative_to(root).as_posix()
        collector.add(picture, Annotation(name, labels={target: label}, split=split_of(name)))


def _is_picture(file: Path) -> bool:
    """Whether a file is a picture by its name, or by its first bytes where its name does not tell."""
    return is_image(file) or (may_be_picture(file) and bool(kind_of(file)))


def write(annotations: Iterable[Annotation], path: Path, *, images: Path, target: str = "class") -> None:
    """Copy the pictures below `images` to `<path>/[<split>/]<value of target>/`, flat.

    It can hold nothing but that target and the split. SpineError where an image lacks the target, or two share a name.
    """
    annotations = tuple(annotations)
    _require_target(annotations, target)
    taken: dict[Path, str] = {}
    for annotation in annotations:
        place = path / split_folder(annotation) / _class_of(annotation, target) / PurePosixPath(annotation.image).name
        if place in taken:
            raise SpineError(f"{taken[place]} and {annotation.image} would both become {place}; rename one of them")
        taken[place] = annotation.image
        with atomic_file(place) as temporary:
            shutil.copyfile(images / annotation.image, temporary)


def _require_target(annotations: Sequence[Annotation], target: str) -> None:
    targets = sorted({name for annotation in annotations for name in annotation.labels})
    if annotations and target not in targets:
        if not targets:
            raise SpineError("the pictures have no targets, whose values name the folders; choose another format")
        raise SpineError(
            f"the pictures have no target {target!r}; give --target; the targets are: {', '.join(targets)}"
            f"{did_you_mean(target, targets)}"
        )


def _class_of(annotation: Annotation, target: str) -> str:
    value = annotation.labels.get(target, "")
    if value != file_name(value) or not value or "/" in value or value.startswith(".") or not value.isprintable():
        raise SpineError(f"{annotation.image} has {target} = {value!r}, which cannot be the name of a class folder")
    return value
