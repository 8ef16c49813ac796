"""One object opens an experiment's files, each once, and another one sees what was written since."""

import pytest

from ensemble import evaluate, search
from ensemble.experiment_run import ExperimentRun
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.member.member import Member
from tests.experiment_on_disk import write_experiment


@pytest.fixture
def opened(monkeypatch):
    """How often each file was opened, by its path."""
    counts: dict[str, int] = {}

    def counting(cls, name):
        method = getattr(cls, name).__func__

        def count(cls, path):
            counts[str(path)] = counts.get(str(path), 0) + 1
            return method(cls, path)

        monkeypatch.setattr(cls, name, classmethod(count))

    counting(Manifest, "read")
    counting(Member, "open")
    return counts


def test_files_are_opened_once_and_when_they_are_asked_for(tmp_path, opened):
    experiment = write_experiment(tmp_path)
    opened.clear()
    run = ExperimentRun(experiment)
    assert opened == {}
    assert run.predictions("test") is run.predictions("test")
    assert run.truth("test") is run.predictions("test").truth
    assert run.evaluator("validation").truth is run.truth("validation")
    assert list(run.members) == list(experiment.members)
    paths = [experiment.data, *(experiment.member_directory(name) for name in experiment.members)]
    assert opened == {str(path): 1 for path in paths}


@pytest.mark.parametrize("stage", [search, evaluate])
def test_a_stage_opens_the_dataset_and_each_member_once(tmp_path, opened, stage):
    experiment = write_experiment(tmp_path, search={"resamples": 0}, evaluate={"resamples": 100})
    opened.clear()
    stage.run(experiment)
    assert opened[str(experiment.data)] == 1
    assert {opened[str(experiment.member_directory(name))] for name in experiment.members} == {1}


def test_what_a_stage_writes_is_in_the_run_that_is_opened_next(tmp_path):
    experiment = write_experiment(tmp_path, search={"resamples": 0}, evaluate={"resamples": 100})
    before = ExperimentRun(experiment)
    equal = before.weights.weights
    search.run(experiment)
    assert before.weights.weights == equal
    assert ExperimentRun(experiment).weights.weights != equal
    with pytest.raises(SpineError, match="run `spine evaluate EXPERIMENT` first"):
        before.evaluation()
    evaluate.run(experiment)
    assert ExperimentRun(experiment).evaluation().experiment == experiment.name


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        (
            "b-3",
            {"schedule": "cosine", "snapshots": 3, "snapshot": 3},
            "members.b: b-3, snapshot 3 of 3, is not trained",
        ),
        ("b_seed2", {}, "members.b: b_seed2, one of its seeds, is not trained"),
        ("b", {}, "members.b: b is not trained"),
    ],
)
def test_a_member_that_is_not_trained_is_told_by_the_name_that_a_person_gave_it(tmp_path, name, settings, told):
    experiment = write_experiment(tmp_path, members=("vgg",))
    other = experiment.members["vgg"].model_copy(update=settings)
    run = ExperimentRun(experiment.model_copy(update={"members": {**experiment.members, name: other}}))
    with pytest.raises(SpineError) as error:
        _ = run.members
    place = experiment.member_directory(name)
    assert str(error.value).startswith(f"{told} ({place} has no member.json); train it with `spine train EXPERIMENT`")
