"""What the source alone tells of a label: shares by hand, and a row beside networks in a pack's table."""

from dataclasses import replace

import numpy as np
import pytest

from ensemble import evaluate
from ensemble.experiment_run import ExperimentRun
from pipeline.papers.compare import paper_page
from pipeline.papers.pack import Pack
from pipeline.papers.source_alone import shares_by_source, source_alone
from spine.core.problems import SpineError
from spine.core.strict import validate
from spine.dataset.manifest import Manifest
from tests.experiment_on_disk import write_experiment, write_segmentation_experiment

LABELS = ("Lum", "sco")
OTHERWISE = {"train": 1, "test": 3}  # units whose source is not that of their label


def test_shares_are_counted_by_source_each_label_once_more():
    seen = np.array(["mri", "mri", "mri", "xray"])
    one_hot = np.eye(2)[[0, 0, 1, 1]]
    shares = shares_by_source(seen, one_hot, np.array(["xray", "mri", "other"]))
    np.testing.assert_allclose(shares, [[1 / 3, 2 / 3], [3 / 5, 2 / 5], [1 / 2, 1 / 2]])


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """An evaluated experiment on discs whose label follows their source, but for a few."""
    experiment = write_experiment(
        tmp_path_factory.mktemp("sources"), labels=LABELS, members=("resnet50",), evaluate={"resamples": 100}
    )
    evaluate.run(experiment)
    manifest = Manifest.read(experiment.data)
    source = {"Lum": "mri", "sco": "xray"}
    sources = manifest.images["sample"].map(manifest.values("degeneration")).map(source)
    for split, units in OTHERWISE.items():
        lums = [sample for sample in manifest.samples_in(split) if manifest.values("degeneration")[sample] == "Lum"]
        sources[manifest.images["sample"].isin(lums[: 2 * units])] = "xray"  # both slices of each disc
    replace(manifest, images=manifest.images.assign(source=sources)).write()
    return experiment


def test_it_says_what_most_training_pictures_of_a_source_are(experiment):
    counts = ExperimentRun(experiment).evaluation().counts.units_per_class
    found = source_alone(ExperimentRun(experiment))
    assert counts == {"Lum": 15, "sco": 15}
    assert found["sensitivity"].value == 1
    assert found["specificity"].value == pytest.approx(12 / 15)
    assert found["accuracy"].value == pytest.approx(27 / 30)
    # Of 16 training pictures 8 are sco of the X-rays, and of 8 Lum 2 are of X-rays: shares of 9/12 and 7/8.
    right, wrong = 15 * np.log(9 / 12) + 12 * np.log(7 / 8), 3 * np.log(3 / 12)
    assert found["log_loss"].value == pytest.approx(-(right + wrong) / 30)
    assert found["accuracy"].low < 27 / 30 < found["accuracy"].high


def test_it_is_a_row_beside_the_networks(experiment):
    raw = {
        "paper": "levan2020_implant",
        "name": "our_pack",
        "tables": [
            {
                "printed": "classification",
                "experiment": "small",
                "columns": {"sensitivity": {"metric": "sensitivity"}, "specificity": {"metric": "specificity"}},
                "more": ["source alone"],
            }
        ],
        "notes": [{"about": ["classification.source alone"], "text": "A note on it."}],
    }
    page = paper_page(validate(Pack, raw, "the pack"), {"small": experiment}, experiment.runs / "our_pack")
    row = page.tables[0].rows[-1]
    assert (row.name, [cell.printed for cell in row.cells]) == ("source alone", ["–", "–"])
    assert [cell.ours for cell in row.cells] == ["100.00", "80.00"]
    assert page.notes[row.marks[0] - 1] == "A note on it."


def test_it_is_of_classification_alone(tmp_path):
    experiment = write_segmentation_experiment(tmp_path)
    with pytest.raises(SpineError, match=r"source alone is a row of classification; .* is segmentation"):
        source_alone(ExperimentRun(experiment))
