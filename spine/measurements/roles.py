"""Which labels of a mask are the vertebrae, the discs and the canal, told by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["ROLES", "roles_of"]

# Role -> what its label may be called, in small letters, words parted by one space.
ROLES = {
    "vertebra": re.compile(r"(lumbar )?(vertebrae?|vertebras|vertebral (body|bodies))"),
    "disc": re.compile(r"(intervertebral |lumbar )?dis[ck]s?|ivds?"),
    "canal": re.compile(r"((spinal|vertebral) )?canals?"),
}


def roles_of(labels: Sequence[str]) -> dict[str, str]:
    """Role -> label, of `vertebra`, `disc` and `canal` those that exactly one label is named for.

    Case, plural, hyphens and underscores do not matter: `Discs`, `intervertebral_disc` and `IVD` are discs.
    """
    plain = {label: " ".join(re.split(r"[\W_]+", label.strip().lower())) for label in labels}
    called = {role: [label for label in labels if name.fullmatch(plain[label])] for role, name in ROLES.items()}
    return {role: found[0] for role, found in called.items() if len(found) == 1}
