"""Metrics by name, a module and a table a task: counts first, ratios after.

`classification` starts from truth (N,) and probabilities (N, C), `segmentation` from each image's counts, `detection`
from each image's matches (`matches`), `surface` from masks with a spacing in mm. A metric is one entry of its task's
`METRICS`.
"""

from spine.metrics import classification, detection, segmentation

__all__ = ["classification", "detection", "segmentation"]
