"""Files -> a model's answers, written: what `spine client` does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.client.model import Model
from pipeline.client.pictures import SentPicture, pictures_of
from pipeline.client.refusals import ServerError
from pipeline.client.write import Results
from spine.answers.answer import Answer
from spine.core.names import slice_of
from spine.core.problems import Problem, SpineError
from spine.core.progress import track

__all__ = ["Asked", "ask"]


_BURNED_IN = (
    "has burned-in annotation, which may show the patient's name, and was not sent",
    "look at it, and say --burned-in where it may leave this machine",
)


@dataclass(frozen=True)
class Asked:
    """What came of it: names of the pictures that were answered, what was not and why, and the files written."""

    answered: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)


def ask(
    model: Model,
    files: Iterable[Path],
    directory: Path,
    *,
    members: bool = False,
    dicom: bool = False,
    slices: int | None = 1,
    burned_in: bool = False,
) -> Asked:
    """Ask about the pictures of files, folders and archives, one after another, and write what is said of each.

    A model that sees the slices next to a picture gets them where the files have them; not with `members`, which it
    tells of a picture alone. Pictures with burned-in annotation, which may show the patient's name, are sent with
    `burned_in` only. A picture that cannot be answered is passed over and told; where the server itself cannot,
    SpineError ends it, and tells what was answered before, which is complete.
    """
    results, asked = Results(directory, dicom), Asked()
    try:
        for path, one in track(_pictures(files, slices, model.sees_slices and not members), "asking"):
            if isinstance(one, Problem):
                asked.problems.append(one)
            elif one.burned_in and not burned_in:
                asked.problems.append(Problem(_place(path, one), *_BURNED_IN))
            elif isinstance(answer := _answer(path, one, model, results, members), Problem):
                asked.problems.append(answer)
            else:
                asked.answered.append(one.name)
                asked.problems.extend(_doubts(_place(path, one), answer))
    except ServerError as error:
        before = f"{len(asked.answered)} answered before, see {directory}" if asked.answered else "nothing was answered"
        raise SpineError(f"{error} ({before})") from error
    finally:
        results.finish()
        asked.paths.extend(results.paths)
    return asked


def _pictures(
    files: Iterable[Path], slices: int | None, neighbours: bool
) -> Iterator[tuple[Path, SentPicture | Problem]]:
    for path in files:
        yield from ((path, one) for one in pictures_of(path, slices=slices, neighbours=neighbours))


def _place(path: Path, picture: SentPicture) -> str:
    """A picture as whoever gave the file, the folder or the archive finds it."""
    file = picture.name if picture.frame is None else slice_of(picture.name)[0]
    return f"{path.parent if path.name == file else path}/{picture.name}"


def _answer(path: Path, picture: SentPicture, model: Model, results: Results, members: bool) -> Answer | Problem:
    """The answer, which is written; or why there is none."""
    try:
        answer = model.answer(picture.png, picture.spacing, members=members, neighbours=picture.neighbours)
        results.add(picture, answer)
    except SpineError as error:
        if isinstance(error, ServerError) and not error.is_of_the_picture:
            raise
        return Problem.from_error(error, Path(_place(path, picture)))
    return answer


def _doubts(place: str, answer: Answer) -> list[Problem]:
    return [Problem(place, remark, "compare the levels with the picture", "warning") for remark in answer.remarks]
