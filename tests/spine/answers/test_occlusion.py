"""Occlusion of scores that are a line of arithmetic."""

import numpy as np
import pytest

from spine.answers.occlusion import Patches, occlusion


@pytest.mark.parametrize("box", [(0, 0, 30, 20), (3, 5, 17, 40), (2, 2, 3, 3)])
def test_every_pixel_of_the_box_is_covered_by_as_many_patches_and_none_beside_it(box):
    count = np.zeros((50, 50), int)
    for x0, y0, x1, y1 in Patches.over(box, 5).boxes():
        assert x0 < x1
        assert y0 < y1
        count[y0:y1, x0:x1] += 1
    x0, y0, x1, y1 = box
    assert (count[y0:y1, x0:x1] == 4).all()
    assert count.sum() == 4 * (x1 - x0) * (y1 - y0)


def test_the_score_falls_where_what_it_reads_is_covered():
    picture = np.zeros((12, 16), np.float32)
    picture[2:4, 10:12] = 1
    shares, sizes = [], []

    def score(pictures):
        sizes.append(len(pictures))
        return np.stack([pictures[:, 2, 10], pictures[:, 11, 0] + 5], axis=1)

    falls = occlusion(picture, score, Patches((0, 0, 16, 12), 4, 2), batch=7, advance=shares.append)
    grey = 4 / picture.size
    assert falls[0, 2, 10] == pytest.approx(1 - grey, abs=1e-6)
    assert falls[0].max() == falls[0, 2, 10]
    assert not falls[0, 8:].any()
    assert falls[1, 11, 0] == pytest.approx(-grey, abs=1e-6)
    assert max(sizes) == 7
    assert shares[-1] == 1
