"""A base that starts from a classifier which was trained here: `weights` is the directory of that member.

Its SavedModel holds the network's variables in their order, the base's first, since nothing before the base has any.
They are read as numbers; the SavedModel is not run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spine.core.privacy import salt_id
from spine.core.problems import SpineError
from spine.member.member import Member, Patients

__all__ = ["checked_member", "is_member", "load_base_of_member", "patients_of"]

KEY = "variables_of_network/{}/.ATTRIBUTES/VARIABLE_VALUE"  # `spine.training.served.Served` in a checkpoint


def is_member(weights: str) -> bool:
    """Whether a setting names a folder, not a file or published weights."""
    return weights not in ("imagenet", "none") and Path(weights).is_dir()


def checked_member(weights: str, network: str) -> Member:
    """The member whose base is to be taken over.

    SpineError where the folder holds no classifier, one of another network or of several, or one whose patients were
    hashed under another salt, so that overlaps with an evaluation could not be found.
    """
    member = Member.open_for(weights, "classification")
    own = member.card.details.get("network")
    if member.card.kind != "network" or own != network:
        told = own if member.card.kind == "network" else f"kind {member.card.kind!r}"
        raise SpineError(f"weights {weights!r} is a member of {told}; give one of {network}, trained without folds")
    if member.card.patients.salt != salt_id():
        raise SpineError(
            f"weights {weights!r} was trained under another salt, so nobody could tell whether test patients were "
            "seen; put that .spine-salt back into the working directory, or set SPINE_SALT to it"
        )
    return member


def patients_of(weights: str) -> tuple[Patients, ...]:
    """The patients that the base's member has seen: whoever starts from it has seen them, too."""
    return (Member.open(weights).card.patients,) if is_member(weights) else ()


def load_base_of_member(base: Any, weights: str, network: str) -> None:
    """Give a Keras base the weights that a member's base has; SpineError where they do not fit."""
    import tensorflow as tf

    from spine.training.regularisation.stochastic_depth import copy_weights, with_stochastic_depth

    member = checked_member(weights, network)
    stored = tf.train.load_checkpoint(str(member.model / "variables" / "variables"))
    shapes = stored.get_variable_to_shape_map()
    rate = member.card.details.get("stochastic_depth")
    # With stochastic depth a network's variables are in another order.
    like = base if rate is None else with_stochastic_depth(base, rate)
    for place, variable in enumerate(like.variables):
        found = shapes.get(KEY.format(place))
        if found != list(variable.shape):
            raise SpineError(
                f"weights {weights!r} do not fit {network}: its variable {place} has the shape {found} where "
                f"{variable.path} takes {list(variable.shape)}; give a member of the same width (alpha)"
            )
        variable.assign(stored.get_tensor(KEY.format(place)))
    if like is not base:
        copy_weights(like, base)
