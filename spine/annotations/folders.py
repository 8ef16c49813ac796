"""A folder a class: `<root>/<class>/image.png`, or `<root>/<split>/<class>/image.png`."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from spine.annotations.collector import Collector
from spine.annotations.sources import is_image, split_folder, split_of
from spine.annotations.types import Annotation, Malformed, Reading
from spine.files import atomic_file
from spine.problems import SpineError

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
    for folder in _class_folders(path):
        with collector.guard(folder):
            _read_class(collector, root, folder, target, labels)
    for stray in sorted(file for file in path.iterdir() if file.is_file() and is_image(file)):
        collector.error(stray, "lies in no class folder", "move it into the folder of its class")
    return collector.reading()


def _class_folders(root: Path) -> list[Path]:
    folders = _folders(root)
    if folders and all(split_of(f"{folder.name}/x") for folder in folders):
        return [inner for folder in folders for inner in _folders(folder)]
    return folders


def _folders(root: Path) -> list[Path]:
    return sorted(folder for folder in root.iterdir() if folder.is_dir() and not folder.name.startswith("."))


def _read_class(collector: Collector, root: Path, folder: Path, target: str, labels: Collection[str] | None) -> None:
    if labels is not None and folder.name not in labels:
        raise Malformed(f"unknown class {folder.name!r}; known are {', '.join(labels)}", "rename it, or add the label")
    pictures = sorted(file for file in folder.rglob("*") if file.is_file() and is_image(file))
    if not pictures:
        collector.warn(folder, "holds no picture", "remove the folder, or put the pictures of its class there")
    for picture in pictures:
        name = picture.relative_to(root).as_posix()
        collector.add(picture, Annotation(name, labels={target: folder.name}, split=split_of(name)))


def write(annotations: Iterable[Annotation], path: Path, *, images: Path, target: str = "class") -> None:
    """Copy the pictures below `images` to `<path>/[<split>/]<value of target>/`, flat.

    It can hold nothing but that target and the split. SpineError where an image lacks the target, or two share a name.
    """
    taken: dict[Path, str] = {}
    for annotation in annotations:
        place = path / split_folder(annotation) / _class_of(annotation, target) / PurePosixPath(annotation.image).name
        if place in taken:
            raise SpineError(f"{taken[place]} and {annotation.image} would both become {place}; rename one of them")
        taken[place] = annotation.image
        with atomic_file(place) as temporary:
            shutil.copyfile(images / annotation.image, temporary)


def _class_of(annotation: Annotation, target: str) -> str:
    value = annotation.labels.get(target, "")
    if not value or "/" in value or value.startswith("."):
        raise SpineError(f"{annotation.image} has {target} = {value!r}, which cannot be the name of a class folder")
    return value
