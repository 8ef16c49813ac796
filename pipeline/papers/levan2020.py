"""What the printed numbers of Le Van et al. 2020 imply."""

from __future__ import annotations

from pipeline.papers.facts import Facts
from pipeline.papers.finding import Finding, agrees_if
from pipeline.papers.recompute import least_units

__all__ = ["check"]

LEAST_SIZES = {"InceptionV3": 75, "Xception": 71}  # pixels that keras.applications asks for


def check(facts: Facts) -> list[Finding]:
    """The findings."""
    return [*_data(facts), *_classification(facts), *_detection(facts), _size(facts)]


def _data(facts: Facts) -> list[Finding]:
    images, xray, mri, scoliosis = facts.whole("images", "xray", "mri", "scoliosis")
    least, most = facts.whole("least_slices", "most_slices")
    share = max(xray + mri, scoliosis) / images
    accuracies = facts.tables["classification"].column("accuracy")
    below = [name for name, accuracy in accuracies.items() if accuracy < share]
    return [
        Finding(
            "images",
            f"{xray} + {mri} + {scoliosis} = {images}",
            f"{xray + mri + scoliosis}",
            agrees_if(xray + mri + scoliosis == images),
        ),
        Finding(
            "MRI studies",
            f"{mri} slices, {least} or {most} of each",
            f"{-(-mri // most)} to {mri // least} studies; slices of one must stay in one split",
            "implies",
        ),
        Finding(
            "always saying Lum",
            "accuracy " + ", ".join(f"{name} {accuracy:g}" for name, accuracy in accuracies.items()),
            f"{share:.3f} without looking, if scoliosis X-rays alone are sco; below it: {', '.join(below) or 'none'}",
            "implies",
        ),
        Finding(
            "the source of the image",
            "no baseline",
            "tells the label without fail, if scoliosis X-rays alone are sco: accuracy 1",
            "implies",
        ),
    ]


def _classification(facts: Facts) -> list[Finding]:
    table = facts.tables["classification"]
    accuracies = table.column("accuracy")
    units = least_units([100 * accuracy for accuracy in accuracies.values()], digits=1)
    tested = facts["test"] / 100 * facts["images"]
    return [
        *(_accuracy(name, table.row(name)) for name in table.rows),
        Finding(
            "units of the accuracies",
            f"{facts['test']:g} % of {facts['images']:g} images to test",
            f"about {tested:.0f} images; the fewest units that give all four accuracies are {units}",
            agrees_if(units is not None and units <= tested + 1),
        ),
    ]


def _accuracy(name: str, row: dict[str, float]) -> Finding:
    low, high = sorted((row["sensitivity"], row["specificity"]))
    accuracy = 100 * row["accuracy"]
    return Finding(
        f"{name}, accuracy",
        f"{row['accuracy']:g}; sensitivity {row['sensitivity']:g} %, specificity {row['specificity']:g} %",
        f"between {low / 100:.2f} and {high / 100:.2f}, whatever the share of each class",
        agrees_if(low - 0.5 <= accuracy <= high + 0.5),
    )


def _detection(facts: Facts) -> list[Finding]:
    table, images, steps = facts.tables["detection"], facts["images"], facts["steps"]
    losses, found = table.column("loss"), table.column("sensitivity")
    worse = max(losses, key=losses.__getitem__)
    better = max(found, key=found.__getitem__)
    trained = facts["train"] / 100 * images
    return [
        Finding(
            "loss and sensitivity of the detectors",
            "; ".join(f"{name} {losses[name]:g} and {found[name]:g} %" for name in table.rows),
            "the higher loss has the higher sensitivity: the loss does not rank detectors"
            if worse == better
            else "the lower loss has the higher sensitivity",
            "implies",
        ),
        Finding(
            "training of the detectors",
            f"{steps:,.0f} steps",
            f"{steps / trained:.1f} epochs of {trained:.0f} images, one a step",
            "implies",
        ),
    ]


def _size(facts: Facts) -> Finding:
    size = facts["input_size"]
    least = ", ".join(f"{name} takes {pixels} or more" for name, pixels in LEAST_SIZES.items())
    return Finding(
        "input size",
        f"{size:g} x {size:g} pixels",
        f"{least}: crops must be resized up",
        agrees_if(size >= max(LEAST_SIZES.values())),
    )
