"""Members' probabilities of images beside the masks, reduced image by image to what weights can change.

Images may differ in size; predictions on disk stay there, and a few images are in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np

from ensemble.engine.scoring.class_members import reduce_by_class, within_memory
from ensemble.engine.scoring.presolve import Presolved, reduce_chunk
from ensemble.engine.scoring.stack import as_array
from ensemble.fusion.fuse import tempered
from spine.core.cores import usable_cores
from spine.core.problems import SpineError
from spine.dataset.truth import MaskTruth
from spine.predictions.predictions import Predictions, require_of, require_same
from spine.predictions.probabilities import require_floats, require_probabilities

__all__ = ["Images", "Masks", "reduce_images", "some_pixels"]

Item = TypeVar("Item")
Result = TypeVar("Result")
Source = np.ndarray | Sequence[np.ndarray] | Predictions  # (N, H, W, C), one (H, W, C) after the other, or stored
Masks = np.ndarray | Iterable[np.ndarray] | MaskTruth  # (N, H, W), or one (H, W) after the other


@dataclass(frozen=True)
class Images:
    """One member's probabilities: `values[number]` for images of one size, otherwise rows from `offsets[number]` on.

    `sizes` are (height, width) of each image, `classes` the number of columns.
    """

    name: str
    values: np.ndarray  # (N, H, W, C), or (pixels, C) with `offsets`
    sizes: tuple[tuple[int, int], ...]
    offsets: tuple[int, ...] | None = None

    @classmethod
    def of(cls, name: str, source: Source) -> Images:
        """From an array (N, H, W, C), a list of (H, W, C) or stored predictions; SpineError where it is none."""
        if isinstance(source, Predictions):
            if source.task != "segmentation":
                raise SpineError(f"the predictions of {name!r} are of {source.task}; give predictions of segmentation")
            heights, widths = source.index["height"], source.index["width"]
            sizes = tuple((int(height), int(width)) for height, width in zip(heights, widths, strict=True))
            return cls(name, source.values, sizes, tuple(map(int, source.index["offset"])))  # checked as it was read
        if isinstance(source, list | tuple):
            return cls._of_list(name, [as_array(f"image {n} of member {name!r}", one) for n, one in enumerate(source)])
        values = np.asarray(source)
        if values.ndim != 4 or not values.size or values.shape[3] < 2:
            raise SpineError(f"member {name!r} is {values.shape}; give probabilities (N, H, W, C), C >= 2 classes")
        return cls(name, values, (values.shape[1:3],) * len(values))._checked()  # type: ignore[arg-type]

    @classmethod
    def _of_list(cls, name: str, images: Sequence[np.ndarray]) -> Images:
        """From images (H, W, C) one by one, which become rows as stored predictions have them."""
        shapes = [image.shape for image in images]
        if not shapes or any(len(shape) != 3 or shape[2] < 2 or not min(shape) for shape in shapes):
            raise SpineError(
                f"member {name!r} is a list of {', '.join(map(str, shapes[:3])) or 'no images'}; give an array "
                "(N, H, W, C), or for images that differ in size a list of (H, W, C), C >= 2 classes"
            )
        if len({shape[2] for shape in shapes}) > 1:
            raise SpineError(
                f"the images of member {name!r} have {sorted({s[2] for s in shapes})} classes; give all the same number"
            )
        rows = [height * width for height, width, _ in shapes]
        values = np.concatenate([image.reshape(-1, image.shape[2]) for image in images])
        offsets = tuple(np.cumsum([0, *rows[:-1]]).tolist())
        return cls(name, values, tuple((height, width) for height, width, _ in shapes), offsets)._checked()

    def _checked(self) -> Images:
        """The same; SpineError names the image that holds no probabilities."""
        require_floats(f"member {self.name!r}", self.values)
        for number in range(len(self.sizes)):
            require_probabilities(f"member {f'{self.name}, image {number}'!r}", self.image(number))
        return self

    @property
    def classes(self) -> int:
        """The number of classes."""
        return self.values.shape[-1]

    def image(self, number: int) -> np.ndarray:
        """Probabilities (H * W, C) of one image as float32, or float64 where they are stored so."""
        if self.offsets is None:
            pixels = self.values[number].reshape(-1, self.classes)
        else:
            height, width = self.sizes[number]
            pixels = self.values[self.offsets[number] : self.offsets[number] + height * width]
        pixels = pixels.astype(np.float64 if pixels.dtype == np.float64 else np.float32)
        return pixels


def reduce_images(
    members: Mapping[str, Source],
    truth: Masks,
    per_image: bool,
    temperatures: Sequence[float] = (),
    per_class: bool = False,
) -> Presolved:
    """The pixels, grouped by true class, or by image and true class where `per_image`.

    Members are scaled by their `temperatures` where there are any. With `per_class`, weights are those of members'
    classes, as `search_per_class` has them.

    SpineError on members that disagree in images or classes, and on masks that do not fit.
    """
    sources = _checked_members(members, truth)
    count, classes = len(sources[0].sizes), sources[0].classes
    groups = count * classes if per_image else classes

    def reduce(numbered: tuple[int, np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        number, mask = numbered
        first = number * classes if per_image else 0
        probabilities = np.stack([source.image(number) for source in sources])
        if temperatures:  # in float64, as the ensemble is judged
            scaled = zip(probabilities.astype(np.float64), temperatures, strict=True)
            probabilities = np.stack([tempered(one, value) for one, value in scaled])
        labels = _checked_mask(mask, number, sources[0]) + first
        return (reduce_by_class if per_class else reduce_chunk)(probabilities, labels, groups)

    chunks = _in_parallel(reduce, _numbered(truth, count))
    return Presolved.from_chunks(within_memory(chunks) if per_class else chunks)


def some_pixels(members: Mapping[str, Source], truth: Masks, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (M, n, C) float64 and classes (n,) of at most that many pixels, evenly drawn from every image."""
    sources = _checked_members(members, truth)
    random, count = np.random.default_rng(0), len(sources[0].sizes)
    values, classes = [], []
    for number, mask in _numbered(truth, count):
        labels = _checked_mask(mask, number, sources[0])
        rows = random.choice(len(labels), min(len(labels), max(1, most // count)), replace=False)
        values.append(np.stack([source.image(number)[rows] for source in sources]).astype(np.float64))
        classes.append(labels[rows])
    return np.concatenate(values, axis=1), np.concatenate(classes)


def _checked_members(members: Mapping[str, Source], truth: Masks) -> list[Images]:
    stored = {name: source for name, source in members.items() if isinstance(source, Predictions)}
    if stored:
        require_same(stored)
        if isinstance(truth, MaskTruth):
            require_of(truth, *next(iter(stored.items())))
    sources = [Images.of(name, source) for name, source in members.items()]
    for other in sources[1:]:
        if (other.sizes, other.classes) != (sources[0].sizes, sources[0].classes):
            raise SpineError(
                f"{sources[0].name!r} and {other.name!r} disagree on the images' number, sizes or classes "
                f"({sources[0].values.shape} and {other.values.shape}); predict all on the same images"
            )
    return sources


def _numbered(truth: Masks, count: int) -> Iterator[tuple[int, np.ndarray]]:
    """The masks with their numbers; SpineError where there are more or fewer than images."""
    if not isinstance(truth, Iterable):
        raise SpineError(f"truth is a {type(truth).__name__}; give masks (N, H, W), or one (H, W) an image")
    number = -1
    for number, mask in enumerate(truth):
        if number == count:
            raise SpineError(
                f"the truth has more masks than the members have images ({count}); give one mask per image"
            )
        yield number, mask
    if number + 1 != count:
        raise SpineError(f"the truth has {number + 1} masks, the members {count} images; give one mask per image")


def _checked_mask(mask: np.ndarray, number: int, images: Images) -> np.ndarray:
    """The mask's classes (H * W,) int64."""
    mask = np.asarray(mask)
    if mask.shape != images.sizes[number] or mask.dtype.kind not in "iu":
        raise SpineError(
            f"mask {number} is {mask.dtype} {mask.shape}; give class indices of shape {images.sizes[number]}"
        )
    if mask.min() < 0 or mask.max() >= images.classes:
        raise SpineError(
            f"mask {number} has values from {mask.min()} to {mask.max()}; the indices of {images.classes} classes are "
            f"0 to {images.classes - 1}"
        )
    return mask.ravel().astype(np.int64)


def _in_parallel(work: Callable[[Item], Result], items: Iterator[Item]) -> Iterator[Result]:
    """Results in order, a few items at a time, so that memory stays bounded."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        while batch := list(islice(items, 2 * usable_cores())):
            yield from pool.map(work, batch)
