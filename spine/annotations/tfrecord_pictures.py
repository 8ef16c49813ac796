"""The pictures that lie within TFRecords of tf.Example, as the intake reads them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path, PurePath

from spine.annotations.tf_example import Features, name_of, parse, pixels_of
from spine.annotations.tfrecords import read_records
from spine.annotations.types import Malformed
from spine.core.problems import Problem
from spine.images.pictures import Picture

__all__ = ["picture_names", "read_record_pictures"]


def picture_names(file: Path, folder: PurePath) -> dict[int, str]:
    """Number of the record -> name of its picture, of the records of a file in `folder` that can be read."""
    return {number: found[0] for number, found in _examples(file, folder) if not isinstance(found, Problem)}


def read_record_pictures(file: Path, folder: PurePath, numbers: Collection[int]) -> Iterator[Picture | Problem]:
    """The pictures of the records with these numbers; for each record that is damaged, and why, a Problem."""
    for number, example in _examples(file, folder):
        if isinstance(example, Problem):
            yield example
        elif number in numbers:
            yield _picture(file, number, *example)


def _examples(file: Path, folder: PurePath) -> Iterator[tuple[int, tuple[str, Features] | Problem]]:
    for number, record in read_records(file):
        try:
            features = parse(record)
            yield number, (name_of(features, folder, number, file), features)
        except Malformed as error:
            yield number, _problem(file, number, error)


def _picture(file: Path, number: int, name: str, features: Features) -> Picture | Problem:
    try:
        return Picture(pixels_of(features, f"{file}: record {number}"), file, name)
    except Malformed as error:
        return _problem(file, number, error)


def _problem(file: Path, number: int, error: Malformed) -> Problem:
    return Problem(f"{file}: record {number}", str(error), error.advice)
