"""Members' SavedModels that answer together inside a graph: what they share is decoded and prepared once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from ensemble.serving.freeze import freeze
from ensemble.serving.fuse_outputs import Fuse, Outputs
from spine.member.member import Member
from spine.member.run_model import gives_maps, load_model
from spine.training.network_input import NetworkInput, prepare_all, prepare_each
from spine.training.preprocess import decode, decode_alike

__all__ = ["Ensemble"]

Tensor = Any
Prepare = Callable[[Sequence[NetworkInput]], tuple[list[Tensor], Tensor]]


@dataclass(frozen=True)
class _Asked:
    """A member's SavedModel, and what answers its network input where it has one."""

    model: Any
    prepared: Callable[..., Outputs] | None


class Ensemble(tf.Module):
    """Loaded members of weight above 0, and the rule that makes one answer of theirs.

    Pictures are made into network input once for each distinct size and normalisation, and members that have the
    signature `prepared` answer that. `told` is what their cards say of their inputs. Others, from elsewhere or made of
    other models, answer the picture or the file by `image` or `serving_default`. With `frozen`, weights of those that
    have `prepared` are constants of the graph.
    """

    def __init__(
        self, models: Sequence[Any], fuse: Fuse, told: Sequence[Mapping[str, Any]] = (), *, frozen: bool = False
    ) -> None:
        super().__init__()
        self.fuse = fuse
        self._gives_maps = gives_maps(models[0])
        self._reads = tuple(map(NetworkInput.of_model, models, told or [{}] * len(models)))
        networks = [model.signatures["prepared"] for model, read in zip(models, self._reads, strict=True) if read]
        answers = iter(freeze(networks) if frozen else networks)
        self._asked = tuple(
            _Asked(model, next(answers) if read else None) for model, read in zip(models, self._reads, strict=True)
        )
        # Variables are saved of what is tracked here: not of members whose weights are constants.
        self.models = [one.model for one in self._asked if not (frozen and one.prepared)]

    @classmethod
    def load(cls, members: Sequence[Member], fuse: Fuse, *, frozen: bool = False) -> Ensemble:
        """Of members' directories; SpineError where a SavedModel may not run or is against the contract."""
        told = [member.card.input for member in members]
        return cls([load_model(member) for member in members], fuse, told, frozen=frozen)

    @property
    def members(self) -> list[Any]:
        """The members' SavedModels, loaded."""
        return [one.model for one in self._asked]

    @classmethod
    def joined(cls, several: Sequence[Ensemble]) -> Ensemble:
        """The members of all, in order, so that what they share is prepared once; fused as the first's."""
        together = cls([model for ensemble in several for model in ensemble.models], several[0].fuse)
        together._reads = tuple(read for ensemble in several for read in ensemble._reads)
        return together

    @property
    def shared_input(self) -> NetworkInput | None:
        """What the networks of all members read, where that is the same."""
        return self._reads[0] if len(set(self._reads)) == 1 else None

    def of_images(self, images: Tensor) -> dict[str, Tensor]:
        """What is fused of images (N, H, W, 1 or 3) float32 in [0, 1]."""
        return self.fuse(self.members_of_images(images))

    def of_each(self, picture_of: Callable[[Any], Tensor], elements: Any) -> dict[str, Tensor]:
        """What is fused of `members_of_each`."""
        return self.fuse(self.members_of_each(picture_of, elements))

    def members_of_images(self, images: Tensor) -> list[Outputs]:
        """What each member says of images (N, H, W, 1 or 3) float32 in [0, 1]."""
        return self._say(
            lambda reads: prepare_all(images, reads), lambda model: model.signatures["image"](image=images)
        )

    def members_of_files(self, files: Tensor) -> list[Outputs]:
        """What each member says of PNG or JPEG files (N) string; where every pixel has an answer, of one size."""

        def prepare(reads: Sequence[NetworkInput]) -> tuple[list[Tensor], Tensor]:
            if self._gives_maps:
                return prepare_all(decode_alike(files), reads)
            return prepare_each(decode, files, reads)

        return self._say(prepare, lambda model: model.signatures["serving_default"](image_bytes=files))

    def members_of_each(self, picture_of: Callable[[Any], Tensor], elements: Any) -> list[Outputs]:
        """What each member says of pictures of any sizes, such as cut-outs: of all networks' inputs in one batch.

        `picture_of` makes (H, W, 1) float32 in [0, 1] of one of the `elements`, a tensor (N, ...) or a tuple of them.
        """
        return self._say(
            lambda reads: prepare_each(picture_of, elements, reads),
            lambda model: _one_by_one(model, picture_of, elements),
        )

    def members_of_prepared(self, inputs: Tensor, sizes: Tensor) -> list[Outputs]:
        """What each member says of the `shared_input`, made of images of those `sizes` (N, 2) int32."""
        return [one.prepared(inputs=inputs, sizes=sizes) for one in self._asked if one.prepared]

    def _say(self, prepare: Prepare, otherwise: Callable[[Any], Outputs]) -> list[Outputs]:
        distinct = list(dict.fromkeys(read for read in self._reads if read))
        prepared, sizes = prepare(distinct) if distinct else ([], None)
        inputs = dict(zip(distinct, prepared, strict=True))
        return [
            one.prepared(inputs=inputs[read], sizes=sizes) if one.prepared and read else otherwise(one.model)
            for one, read in zip(self._asked, self._reads, strict=True)
        ]


def _one_by_one(model: Any, picture_of: Callable[[Any], Tensor], elements: Any) -> Outputs:
    image = model.signatures["image"]
    specs = {name: tf.TensorSpec(out.shape[1:], out.dtype) for name, out in image.structured_outputs.items()}

    def answer(element: Any) -> dict[str, Tensor]:
        return {name: value[0] for name, value in image(image=picture_of(element)[tf.newaxis]).items()}

    outputs: Outputs = tf.map_fn(answer, elements, fn_output_signature=specs)
    return outputs
