"""What the printed numbers of Tapkir et al. imply; they report no results."""

from __future__ import annotations

from pipeline.papers.facts import Facts
from pipeline.papers.finding import Finding, agrees_if
from pipeline.papers.recompute import exact_interval

__all__ = ["check"]

SUPPOSED = 0.9  # an accuracy, to show how wide an interval the test set would give


def check(facts: Facts) -> list[Finding]:
    """The findings."""
    (images,) = facts.whole("images")
    parts = [facts[name] for name in ("train", "validation", "test")]
    counts = [part / 100 * images for part in parts]
    tested = round(counts[2])
    low, high = exact_interval(round(SUPPOSED * tested), tested)
    sizes = facts.whole("least_height", "least_width", "most_height", "most_width")
    return [
        Finding(
            "split",
            f"{'/'.join(f'{part:g}' for part in parts)} of {images:,} images",
            f"{counts[0]:.0f}, {counts[1]:.0f} and {counts[2]:.0f} images",
            agrees_if(sum(parts) == 100),
        ),
        Finding(
            "results",
            "none",
            f"on {tested} images an accuracy of {100 * SUPPOSED:g} would have the exact 95 % interval {low:.1f} to "
            f"{high:.1f}, were the images independent; slices of one patient are not",
            "implies",
        ),
        Finding(
            "sizes",
            f"{sizes[0]} x {sizes[1]} to {sizes[2]} x {sizes[3]} pixels",
            f"{sizes[2] * sizes[3] / (sizes[0] * sizes[1]):.0f} times the pixels: size alone may tell sources apart",
            "implies",
        ),
    ]
