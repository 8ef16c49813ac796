"""weights.json read and written: the same bytes, and the questions that the stages ask of it."""

import json

import pytest

from ensemble.fusion.fuse import Mean
from ensemble.fusion.fuse_boxes import BoxFusion
from ensemble.results.found_weights import FoundWeights
from ensemble.search import run
from spine.core.files import read_json
from spine.core.problems import SpineError
from tests.detection_on_disk import write_detection_experiment
from tests.experiment_on_disk import write_experiment
from tests.found_weights import ESTIMATE, found_weights

WRITTEN = """{
  "name": "weighted",
  "settings": {
    "name": "weighted",
    "step": 0.5,
    "trials": 200,
    "max_megabytes": null
  },
  "task": "classification",
  "metric": "precision",
  "method": "grid",
  "step": 0.5,
  "weights": {
    "b": 0.0,
    "a": 1.0
  },
  "temperatures": {
    "b": 2.0,
    "a": 1e-07
  },
  "class_weights": {
    "b": [
      0.0,
      0.0
    ],
    "a": [
      0.3333333333333333,
      0.6666666666666666
    ]
  },
  "score": 0.5,
  "singles": {
    "b": null,
    "a": 0.5
  },
  "equal": null,
  "undefined": {
    "equal": "nothing is called positive",
    "singles.b": "nothing is called positive"
  },
  "evaluated": 3,
  "scored": 3,
  "ties": 1,
  "listed": 3,
  "why": "The only one.",
  "split": "out-of-fold",
  "folds": {
    "count": 3,
    "stop_on": "fold",
    "served": "mean",
    "notes": [
      "Weights were searched on out-of-fold predictions."
    ]
  },
  "trained_on_searched": {
    "b": 2
  },
  "flattered": [
    "b was trained on 2 of them."
  ],
  "counts": {
    "samples": 5,
    "units": 4,
    "patients": 3
  },
  "predictions": {
    "b": "12",
    "a": "34"
  },
  "patients": {
    "salt": "d8c6830c",
    "searched": [
      "0deaa7c2ddc86a4a"
    ]
  },
  "nested": %s,
  "contributions": {
    "step": 0.5,
    "members": {
      "b": {
        "alone": null,
        "without": 0.5,
        "shapley": 0.0
      },
      "a": {
        "alone": 0.5,
        "without": 0.25,
        "shapley": 0.5
      }
    },
    "sets": {
      "b": null,
      "a": 0.5,
      "b + a": 0.5
    }
  },
  "budget": {
    "limits": {
      "MB": 50.0
    },
    "costs": {
      "MB": {
        "b": 40.0,
        "a": 30.0
      }
    },
    "left": 2,
    "vectors": 3
  },
  "inputs_hash": "3c61"
}
"""
NESTED = {
    "none": "{}",
    "none with a score": """{
    "resamples": 0,
    "why": "the search score itself is undefined"
  }""",
    "some": """{
    "score": 0.9351750630905488,
    "low": 0.8624822154471545,
    "high": 0.9852195340501791,
    "equal": 0.9361944745096917,
    "single": 0.9293767114742428,
    "share": 0.1,
    "resamples": 200,
    "step": 0.1,
    "drawn": 200,
    "optimism": 0.012238143172215055,
    "plain": 0.9
  }""",
}


@pytest.mark.parametrize("nested", NESTED.values(), ids=NESTED)
def test_what_is_read_is_written_back_byte_for_byte(tmp_path, nested):
    path = tmp_path / "weights.json"
    path.write_text(WRITTEN % nested)
    FoundWeights.model_validate(read_json(path)).write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_what_was_not_asked_for_is_left_out(tmp_path):
    options = {"temperatures", "class_weights", "fusion", "undefined", "folds", "flattered", "budget"}
    found = read_json(run(write_experiment(tmp_path, search={"step": 0.5, "resamples": 0}))[0])
    assert not options & set(found)
    assert found["nested"] == {}
    assert list(found)[:3] == ["name", "settings", "task"]
    assert list(found)[-4:] == ["patients", "nested", "contributions", "inputs_hash"]


@pytest.mark.parametrize("write", [write_experiment, write_detection_experiment])
def test_what_a_search_writes_is_read_back(tmp_path, write):
    experiment = write(tmp_path, search={"step": 0.5, "resamples": 4})
    path = run(experiment)[0]
    before = path.read_bytes()
    FoundWeights.read(experiment).write(path)
    assert path.read_bytes() == before


def test_what_other_versions_tell_is_kept():
    told = {"a new key": 1, "patients": {"salt": "", "searched": [], "more": "x"}}
    weights = found_weights(**told)
    assert told.items() <= weights.as_json().items()
    assert "listed" not in weights.as_json()


def test_an_estimate_that_lacks_a_number_is_told_by_it():
    lacking = {key: value for key, value in ESTIMATE.items() if key != "high"}
    with pytest.raises(ValueError, match="high is missing"):
        found_weights(nested=lacking)


def test_the_fusion_is_told_whole():
    settings = {
        "class_weights": {"a": [0.5, 0.3], "b": [0, 0], "c": [0.5, 0.7]},
        "temperatures": {"a": 2, "b": 3, "c": 4},
    }
    weights = found_weights({"a": 0.4, "b": 0.0, "c": 0.6}, **settings)
    assert weights.mean() == Mean(((0.5, 0.3), (0.5, 0.7)), (2.0, 4.0))
    assert weights.mean(["c"]) == Mean(((0.5, 0.7),), (4.0,))
    assert found_weights(weights.weights).mean() == Mean((0.4, 0.6))
    assert weights.fusion_settings == settings
    assert weights.kept == {"a": 0.4, "c": 0.6}
    assert weights.fused_as(json.loads(json.dumps({"weights": weights.kept, **settings, "parity": 0.0})))
    assert not weights.fused_as({"weights": weights.kept})


def test_boxes_are_fused_by_the_thresholds():
    thresholds = {"iou_threshold": 0.4, "score_threshold": 0.05}
    assert found_weights(fusion=thresholds).box_fusion == BoxFusion(0.4, 0.05)
    with pytest.raises(SpineError, match="has no thresholds of box fusion"):
        found_weights().box_fusion  # noqa: B018
