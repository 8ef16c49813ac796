"""What a tree of DICOM gives where slices are chosen, and edits that spoil the headers of a series."""

from spine.intake.reading import read_images

MIDDLE = 8  # of 15 slices, whose pixels are 1..15


def choose(tree, slices=1, **options):
    """The pixel values of the chosen slices, and what was told of the tree."""
    images = read_images(tree, kind="dicom", slices=slices, **options)
    values = [int(picture.pixels[0, 0]) for picture in images]
    return values, images.problems


def told(problems, *words):
    return [problem for problem in problems if all(word in f"{problem.path} {problem.reason}" for word in words)]


def setting(**values):
    """An edit that sets elements; a function is called with the number of the slice."""

    def edit(dataset, k):
        for keyword, value in values.items():
            setattr(dataset, keyword, value(k) if callable(value) else value)

    return edit


def own(prefix):
    return lambda k: f"{prefix}.{k + 1}"


def deleting(*keywords):
    def edit(dataset, k):
        for keyword in keywords:
            del dataset[keyword]

    return edit


OWN = {"SeriesInstanceUID": own("1.9")}
STUDY = {"StudyInstanceUID": own("1.8"), "FrameOfReferenceUID": own("1.7")}
NOBODY = {"PatientID": "", "PatientName": ""}
