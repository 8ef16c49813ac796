"""Running a member's SavedModel: load it, and see what it says of picture files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spine.core.problems import SpineError, one_file
from spine.dataset.detections import Detections
from spine.dataset.truth import AnyTruth, ClassTruth, Region
from spine.member.measuring import measured_regions, measuring_of
from spine.member.member import Member
from spine.tasks import outputs_of

__all__ = [
    *("BATCH_OF_MAPS", "answer_files", "answer_picture", "answer_regions", "detect_pictures", "gives_maps"),
    *("load_model", "predict_pictures", "predict_regions", "predict_samples", "sees_boxes", "sees_slices"),
]

BATCH = 32  # pictures a call: memory stays bounded however many there are
BATCH_OF_MAPS = 8  # where every pixel has an answer, or a detector has its many proposals
Sizes = Sequence[tuple[int, int]]  # height, width


def load_model(member: Member) -> Any:
    """The member's SavedModel; SpineError where it may not run, cannot be read, or is against the contract."""
    model = _loaded(member)
    missing = {"serving_default", "image"} - set(model.signatures)
    if missing:
        raise SpineError(
            f"the SavedModel {member.model} lacks the signatures {sorted(missing)}; it has {sorted(model.signatures)}. "
            "Export it with `serving_default(image_bytes)` and `image(image)` (docs/design.md, The contract)"
        )
    outputs = set(model.signatures["serving_default"].structured_outputs)
    if absent := set(outputs_of(member.card.task)) - outputs:
        raise SpineError(
            f"the SavedModel {member.model} of a {member.card.task} member lacks the outputs {sorted(absent)}; it has "
            f"{sorted(outputs)} (docs/design.md, The contract)"
        )
    return model


def _loaded(member: Member) -> Any:
    import tensorflow as tf

    path = member.trusted_model
    with one_file(path, "export or train it again"):
        return tf.saved_model.load(str(path))


def gives_maps(model: Any) -> bool:
    """Whether it gives probabilities of every pixel, and so takes pictures of one size in a request."""
    outputs = model.signatures["serving_default"].structured_outputs
    return "probabilities" in outputs and outputs["probabilities"].shape.rank == 4


def answer_files(model: Any, paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """The outputs of `serving_default`, by name, for one request with these picture files."""
    import tensorflow as tf

    encoded = [path.read_bytes() for path in paths]
    outputs = model.signatures["serving_default"](image_bytes=tf.constant(encoded))
    return {name: value.numpy() for name, value in outputs.items()}


def answer_picture(model: Any, picture: Region) -> dict[str, np.ndarray]:
    """The outputs of a case, by name, for one whole picture: by `slices` with those next to it where it sees them."""
    if not sees_slices(model):
        return answer_files(model, [picture.picture])
    sides = {"before": picture.before, "after": picture.after}
    outputs = model.signatures["slices"](
        image_bytes=_files([picture.picture]), **{side: _files([path]) for side, path in sides.items()}
    )
    return {name: value.numpy() for name, value in outputs.items()}


def sees_boxes(model: Any) -> bool:
    """Whether it answers boxes in whole pictures, by `regions`; others, as of older versions, take what was cut out."""
    return "regions" in model.signatures


def sees_slices(model: Any) -> bool:
    """Whether it answers pictures together with the slices next to them, by `slices`."""
    return "slices" in model.signatures


def answer_regions(model: Any, regions: Sequence[Region]) -> dict[str, np.ndarray]:
    """The outputs of `regions`, or of `slices` where the model sees them, by name, for one request with these boxes."""
    import tensorflow as tf

    inputs = {
        "image_bytes": _files(region.picture for region in regions),
        "boxes": tf.constant([region.box for region in regions], tf.float32),
    }
    if sees_slices(model):
        inputs["before"] = _files(region.before for region in regions)
        inputs["after"] = _files(region.after for region in regions)
    outputs = model.signatures["slices" if sees_slices(model) else "regions"](**inputs)
    return {name: value.numpy() for name, value in outputs.items()}


def _files(paths: Iterable[Path | None]) -> Any:
    """Files' bytes as a model takes them, empty where there is no file."""
    import tensorflow as tf

    return tf.constant([path.read_bytes() if path else b"" for path in paths])


def predict_samples(model: Any, truth: AnyTruth, measurements: Path | None = None) -> Iterator[np.ndarray]:
    """As `predict_pictures`, of a truth's samples: crops as the model sees their boxes, where it sees boxes, and with
    the slices next to them, where it sees those. A model that measures decides by what is kept in the folder of
    `measurements`, where there is one, and adds what lacks.

    SpineError where it does, and the dataset's crops do not tell of what they were cut out.
    """
    if not isinstance(truth, ClassTruth) or not (sees_boxes(model) or sees_slices(model)):
        yield from predict_pictures(model, truth.paths, truth.sizes)
    elif truth.lost_pictures:
        raise SpineError(
            f"the model sees boxes in whole pictures, and {truth.paths[0]} is a crop without its picture, as older "
            "versions built them; build the dataset again with `spine data build CONFIG`"
        )
    elif measurements and measuring_of(model):
        yield _decided(model, truth.regions, measurements)
    else:
        yield from predict_regions(model, truth.regions)


def _decided(model: Any, regions: Sequence[Region], measurements: Path) -> np.ndarray:
    import tensorflow as tf

    measured = measured_regions(model, regions, measurements)
    outputs = model.decide({name: tf.constant(values) for name, values in measured.items()})
    return outputs["probabilities"].numpy()  # type: ignore[no-any-return]


def predict_regions(model: Any, regions: Sequence[Region]) -> Iterator[np.ndarray]:
    """Probabilities (n, C) float32 of successive batches of boxes in pictures, by `answer_regions`."""
    for batch in _runs_of_equal([0] * len(regions), BATCH):
        yield answer_regions(model, regions[batch])["probabilities"]


def predict_pictures(model: Any, paths: Sequence[Path], sizes: Sizes = ()) -> Iterator[np.ndarray]:
    """Probabilities, (n, C) or (n, H, W, C) float32, of successive batches of picture files, by `serving_default`.

    Where every pixel has an answer a request takes pictures of one size: those of one of the `sizes` that follow each
    other go together, and without `sizes` each goes alone.
    """
    maps = gives_maps(model)
    of_one_kind = sizes or range(len(paths)) if maps else [0] * len(paths)
    for batch in _runs_of_equal(of_one_kind, BATCH_OF_MAPS if maps else BATCH):
        yield answer_files(model, paths[batch])["probabilities"]


def detect_pictures(model: Any, paths: Sequence[Path]) -> Iterator[Detections]:
    """What a detector's `serving_default` finds in each of the picture files, of any sizes, some at a time."""
    for batch in _runs_of_equal([0] * len(paths), BATCH_OF_MAPS):
        outputs = answer_files(model, paths[batch])
        yield from (Detections.from_outputs(outputs, number) for number in range(len(paths[batch])))


def _runs_of_equal(keys: Sequence[Any], most: int) -> Iterator[slice]:
    """Successive stretches of equal keys, of at most that many."""
    start = 0
    for stop in range(1, len(keys) + 1):
        if stop == len(keys) or keys[stop] != keys[start] or stop - start == most:
            yield slice(start, stop)
            start = stop
