"""Roles: which labels are vertebrae, discs and the canal."""

import pytest

from spine.measurements import roles_of


@pytest.mark.parametrize(
    ("labels", "roles"),
    [
        (("background", "vertebra", "disc", "canal"), {"vertebra": "vertebra", "disc": "disc", "canal": "canal"}),
        (("background", "spine", "vertebra", "disc"), {"vertebra": "vertebra", "disc": "disc"}),
        (
            ("", "Vertebrae", "Discs", "Spinal canal"),
            {"vertebra": "Vertebrae", "disc": "Discs", "canal": "Spinal canal"},
        ),
        (("vertebral-bodies", "intervertebral_disk", "IVD "), {"vertebra": "vertebral-bodies"}),  # two discs: neither
        (("background", "lumbar_region", "discography", "L5"), {}),
    ],
)
def test_roles_are_told_by_names(labels, roles):
    assert roles_of(labels) == roles
