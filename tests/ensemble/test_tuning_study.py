"""The study of a tuning: what is cut short, known by hand; what matters; and processes that share it."""

import pytest
from optuna.storages import InMemoryStorage

from ensemble.record.tuning_study import TuningStudy
from spine.core.problems import SpineError
from spine.experiment.tuning import TuneSettings

FACTS = {"inputs_hash": "0" * 16}


def opened(storage, space=None, *, maximise=True, whole=frozenset(), facts=FACTS, **settings):
    space = space or {"rate": {"low": 0.0, "high": 1.0}, "kind": ["a", "b"]}
    asked = TuneSettings.model_validate({"member": "one", "space": space, **settings})
    known = {"storage": storage, "name": "study", "seed": 1, "place": "runs/x"}
    return TuningStudy.opened(asked, whole, maximise=maximise, facts=facts, **known)


@pytest.fixture
def storage():
    return InMemoryStorage()


@pytest.mark.parametrize("maximise", [True, False])
def test_a_loss_above_the_median_of_five_is_cut_short_from_the_grace_on(storage, maximise):
    study = opened(storage, grace=3, maximise=maximise)
    for loss in (1.0, 2.0, 3.0, 4.0, 5.0):
        asked = study.ask()
        assert not any(study.is_hopeless(asked, epoch, loss, higher_is_better=False) for epoch in (1, 2, 3))
        study.tell(asked, "complete", score=0.5, seconds=1)
    better, worse = study.ask(), study.ask()
    losses = [(1, 9.0), (2, 9.0), (3, 2.9)]  # the best so far counts, and the median is 3
    assert [study.is_hopeless(better, *one, higher_is_better=False) for one in losses] == [False, False, False]
    losses = [(1, 9.0), (2, 9.0), (3, 3.1)]
    assert [study.is_hopeless(worse, *one, higher_is_better=False) for one in losses] == [False, False, True]
    study.tell(worse, "pruned", seconds=1, note="after epoch 3")
    sign = -1 if maximise else 1  # Optuna compares what rises and falls as the score does
    assert study.trials()[-1].epochs == {1: sign * 9.0, 2: sign * 9.0, 3: sign * 3.1}


def test_epochs_of_before_an_interruption_are_not_asked_again(storage):
    study = opened(storage, grace=1)
    asked = study.ask()
    for epoch in (1, 2):
        study.is_hopeless(asked, epoch, 1.0, higher_is_better=False)
    study.note_seconds(asked, 4.0)
    again = opened(storage, grace=1).resumed(0)
    assert (again.settings, again.seconds) == (asked.settings, 4.0)
    assert not any(study.is_hopeless(again, epoch, 1.0, higher_is_better=False) for epoch in (1, 2, 3))
    study.tell(again, "complete", score=0.5, seconds=2.0)
    assert (study.trials()[0].seconds, list(study.trials()[0].epochs)) == (6.0, [1, 2, 3])


def test_what_decides_the_score_is_the_most_important(storage):
    study = opened(storage, sampler="random")
    for _ in range(12):
        asked = study.ask()
        study.tell(asked, "complete", score=asked.settings["rate"], seconds=1)
    importances = study.importances()
    assert list(importances) == ["rate", "kind"]
    assert importances["rate"] > 0.9
    assert sum(importances.values()) == pytest.approx(1)


def test_of_few_or_equal_scores_nothing_is_said_of_importance(storage):
    study = opened(storage)
    for number in range(4):
        assert study.importances() == {}
        study.tell(study.ask(), "complete", score=0.5, seconds=number)
    assert study.importances() == {}


def test_two_processes_have_trials_and_draws_of_their_own(storage):
    one, other = opened(storage), opened(storage)
    asked = [study.ask() for study in (one, other, one, other)]
    assert [trial.number for trial in asked] == [0, 1, 2, 3]
    assert len({trial.settings["rate"] for trial in asked}) == 4
    assert one.unfinished() == other.unfinished() == [0, 1, 2, 3]


def test_whole_numbers_and_values_of_lists_come_as_they_were_written(storage):
    space = {"batch": {"low": 2, "high": 32, "log": True}, "dense": [[8], [8, 4], None], "share": {"low": 0, "high": 1}}
    study = opened(storage, space, whole=frozenset({"batch"}))
    for _ in range(8):
        settings = study.ask().settings
        assert isinstance(settings["batch"], int)
        assert settings["dense"] in ([8], [8, 4], None)
        assert settings["share"] == float(f"{settings['share']:.4g}")


def test_other_facts_are_another_study(storage):
    opened(storage)
    with pytest.raises(SpineError, match=r"tuned on other data.* \(00000000, now 11111111\).*; remove runs/x, move it"):
        opened(storage, facts={"inputs_hash": "1" * 16})
