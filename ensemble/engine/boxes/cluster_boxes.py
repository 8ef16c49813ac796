"""Weighted boxes fusion of many images in one loop for numba, bit by bit as `ensemble-boxes` does it.

The library keeps a cluster's running mean in float32 and compares it in float64; so does this loop.
"""

from __future__ import annotations

import numpy as np

__all__ = ["cluster_boxes"]


def cluster_boxes(
    iou_threshold: float, boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For numba: cluster boxes (R, 4) float64 of one class that overlap, image by image.

    Rows offsets[n]..offsets[n + 1] are image n's, sorted by falling weighted `scores` (R,). Gives fused boxes (R, 4),
    their mean scores (R,) and numbers of boxes (R,), zero where a row holds no cluster, and the `row` (R,) whose box
    began it. Clusters of an image stand at its first rows.
    """
    fused, sums = np.zeros(boxes.shape), np.zeros(boxes.shape, np.float32)
    totals, means = np.zeros(len(boxes)), np.zeros(len(boxes))
    sizes, began = np.zeros(len(boxes), np.int64), np.zeros(len(boxes), np.int64)
    for image in range(len(offsets) - 1):
        end = offsets[image]
        for row in range(offsets[image], offsets[image + 1]):
            top, left, bottom, right = boxes[row]
            area = (bottom - top) * (right - left)
            home, highest = end, iou_threshold
            for cluster in range(offsets[image], end):
                if classes[began[cluster]] == classes[row]:
                    y1, x1, y2, x2 = fused[cluster]
                    height, width = min(bottom, y2) - max(top, y1), min(right, x2) - max(left, x1)
                    shared = max(height, 0.0) * max(width, 0.0)
                    iou = shared / ((y2 - y1) * (x2 - x1) + area - shared)
                    if iou > highest:
                        home, highest = cluster, iou
            if home == end:
                began[home], fused[home], means[home] = row, boxes[row], scores[row]
                end += 1
            sizes[home] += 1
            totals[home] += scores[row]
            for side in range(4):
                sums[home, side] += scores[row] * boxes[row, side]
            if sizes[home] > 1:
                means[home] = np.float32(totals[home] / sizes[home])
                for side in range(4):
                    fused[home, side] = np.float32(sums[home, side] / totals[home])
    return fused, means, sizes, began
