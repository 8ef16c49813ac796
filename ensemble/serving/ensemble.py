"""Members' SavedModels that answer together inside a graph: what they share is decoded and prepared once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from ensemble.serving.asked_boxes import AskedBoxes
from ensemble.serving.freeze import freeze
from ensemble.serving.fuse_outputs import Fuse, Outputs
from spine.member.measuring import measuring_of
from spine.member.member import Member
from spine.member.run_model import gives_maps, load_model, sees_boxes, sees_slices
from spine.member.serving import needed_by
from spine.training.network_input import NetworkInput, prepare_all, prepare_each
from spine.training.preprocess import decode, decode_alike
from spine.training.see_boxes import whole

__all__ = ["Ensemble", "Loaded"]

Tensor = Any
Prepare = Callable[[Sequence[NetworkInput]], tuple[list[Tensor], list[Tensor]]]


@dataclass(frozen=True)
class Loaded:
    """A member's SavedModel; where it has network input of its own, what that is, and what answers it.

    Where it decides by what is measured, `measuring` is what measures.
    """

    model: Any
    reads: NetworkInput | None = None
    prepared: Callable[..., Outputs] | None = None
    frozen: bool = False
    measuring: Mapping[str, Any] = field(default_factory=dict)


class Ensemble(tf.Module):
    """Loaded members of weight above 0, and the rule that makes one answer of theirs.

    Pictures are made into network input once for each distinct size and normalisation, and members that have the
    signature `prepared` answer that. What members measure by one segmenter is measured once too, and members decide by
    it. Others, from elsewhere or made of other models, answer the picture or the file by `image` or `serving_default`.
    """

    def __init__(self, loaded: Sequence[Loaded], fuse: Fuse) -> None:
        super().__init__()
        self.fuse = fuse
        self._loaded = tuple(loaded)
        self._gives_maps = gives_maps(loaded[0].model)
        # What is tracked here is saved with its variables; of what measures alike, the first.
        self._with_variables = [
            needed_by([one.prepared], one.model) if one.prepared else one.model
            for one in loaded
            if not (one.frozen or one.measuring)
        ]
        self.measuring = {name: each for one in loaded[::-1] for name, each in one.measuring.items()}

    @classmethod
    def of_models(
        cls, models: Sequence[Any], fuse: Fuse, told: Sequence[Mapping[str, Any]] = (), *, frozen: bool = False
    ) -> Ensemble:
        """Of loaded SavedModels; `told` is what their cards say of their inputs.

        With `frozen`, weights of those that have `prepared` are constants of the graph.
        """
        reads = list(map(NetworkInput.of_model, models, told or [{}] * len(models)))
        networks = [model.signatures["prepared"] for model, read in zip(models, reads, strict=True) if read]
        answers = iter(freeze(networks) if frozen else networks)
        loaded = [
            Loaded(model, read, next(answers), frozen) if read else Loaded(model, measuring=measuring_of(model))
            for model, read in zip(models, reads, strict=True)
        ]
        return cls(loaded, fuse)

    @classmethod
    def load(cls, members: Sequence[Member], fuse: Fuse, *, frozen: bool = False) -> Ensemble:
        """Of members' directories; SpineError where a SavedModel may not run or is against the contract."""
        told = [member.card.input for member in members]
        return cls.of_models([load_model(member) for member in members], fuse, told, frozen=frozen)

    @classmethod
    def joined(cls, several: Sequence[Ensemble]) -> Ensemble:
        """The members of all, in order, so that what they share is prepared once; fused as the first's."""
        return cls([one for ensemble in several for one in ensemble._loaded], several[0].fuse)

    @property
    def models(self) -> list[Any]:
        """The members' SavedModels."""
        return [one.model for one in self._loaded]

    @property
    def sees_boxes(self) -> bool:
        """Whether all members see boxes in whole pictures, each in its own way."""
        return all(one.reads.sees_boxes if one.reads else sees_boxes(one.model) for one in self._loaded)

    @property
    def sees_slices(self) -> bool:
        """Whether a member sees the slices next to a picture."""
        return any(one.reads.sees_slices if one.reads else sees_slices(one.model) for one in self._loaded)

    @property
    def shared_input(self) -> NetworkInput | None:
        """What the networks of all members read, where that is the same."""
        return self._loaded[0].reads if len({one.reads for one in self._loaded}) == 1 else None

    @property
    def only_measures(self) -> bool:
        """Whether all members decide by what is measured alone."""
        return all(one.measuring for one in self._loaded)

    def of_images(self, images: Tensor) -> dict[str, Tensor]:
        """What is fused of images (N, H, W, 1 or 3) float32 in [0, 1]."""
        return self.fuse(self.members_of_images(images))

    def members_of_images(self, images: Tensor) -> list[Outputs]:
        """What each member says of images (N, H, W, 1 or 3) float32 in [0, 1]."""
        return self._say(
            lambda reads: prepare_all(images, reads),
            lambda measuring: measuring.of_images(images),
            lambda model: model.signatures["image"](image=images),
        )

    def members_of_files(self, files: Tensor) -> list[Outputs]:
        """What each member says of PNG or JPEG files (N) string; where every pixel has an answer, of one size."""

        def prepare(reads: Sequence[NetworkInput]) -> tuple[list[Tensor], list[Tensor]]:
            if self._gives_maps:
                return prepare_all(decode_alike(files), reads)
            return prepare_each(decode, files, reads)

        return self._say(
            prepare,
            lambda measuring: measuring.of_files(files, whole(files)),
            lambda model: model.signatures["serving_default"](image_bytes=files),
        )

    def members_of_boxes(self, asked: AskedBoxes) -> list[Outputs]:
        """What each member says of boxes in pictures, each by its own view of them."""

        def otherwise(model: Any) -> Outputs:
            if sees_boxes(model) or sees_slices(model):
                return asked.ask(model)
            return _one_by_one(model, asked.picture_of, asked.rows)

        return self._say(asked.prepare, asked.measured_by, otherwise, asked.seen_by)

    def members_of_prepared(self, inputs: Tensor, sizes: Tensor) -> list[Outputs]:
        """What each member says of the `shared_input`, made of what had those `sizes` (N, 2) int32."""
        return [one.prepared(inputs=inputs, sizes=sizes) for one in self._loaded if one.prepared]

    def members_of_measured(self, measured: Mapping[str, Tensor]) -> list[Outputs]:
        """What each member decides by what was `measured` for them, values (N, F) by fingerprint."""
        return [_decide(one, measured) for one in self._loaded]

    def _say(
        self,
        prepare: Prepare,
        measure: Callable[[Any], Tensor],
        otherwise: Callable[[Any], Outputs],
        seen_by: Callable[[NetworkInput], NetworkInput] = lambda read: read,
    ) -> list[Outputs]:
        reads = [seen_by(one.reads) if one.reads else None for one in self._loaded]
        distinct = list(dict.fromkeys(filter(None, reads)))
        prepared = zip(distinct, *prepare(distinct), strict=True) if distinct else ()
        by_read = {read: {"inputs": inputs, "sizes": sizes} for read, inputs, sizes in prepared}
        measured = {name: measure(measuring) for name, measuring in self.measuring.items()}

        def answer(one: Loaded, read: NetworkInput | None) -> Outputs:
            if read and one.prepared:
                return one.prepared(**by_read[read])
            return _decide(one, measured) if one.measuring else otherwise(one.model)

        return list(map(answer, self._loaded, reads))


def _decide(one: Loaded, measured: Mapping[str, Tensor]) -> Outputs:
    outputs: Outputs = one.model.decide({name: measured[name] for name in one.measuring})
    return outputs


def _one_by_one(model: Any, picture_of: Callable[[Any], Tensor], elements: Any) -> Outputs:
    image = model.signatures["image"]
    specs = {name: tf.TensorSpec(out.shape[1:], out.dtype) for name, out in image.structured_outputs.items()}

    def answer(element: Any) -> dict[str, Tensor]:
        return {name: value[0] for name, value in image(image=picture_of(element)[tf.newaxis]).items()}

    outputs: Outputs = tf.map_fn(answer, elements, fn_output_signature=specs)
    return outputs
