import itertools

import pytest

from pipeline.pacs.watch import days, watch
from spine.core.problems import SpineError


class Archive:
    """Studies with their numbers of objects, poll by poll; None is a time when it is down."""

    def __init__(self, *polls):
        self.polls = polls

    def days(self):
        for poll in self.polls:
            self.now = poll
            yield "20260101"

    def studies(self, since):
        if self.now is None:
            raise SpineError("it is down")
        return list(self.now)

    def instances(self, study, most):
        if self.now[study] > most:
            raise SpineError("too many")
        return [0] * self.now[study]


def watched(*polls, answer=None):
    archive, answered, told = Archive(*polls), [], []
    watch(archive, archive.days(), 99, answer or answered.append, lambda *words: told.append(words))
    return answered, told


def test_a_study_is_answered_once_it_is_at_rest():
    assert watched({"a": 1}, {"a": 5}, {"a": 5}, {"a": 5}) == (["a"], [])


def test_a_study_that_grows_again_is_answered_again():
    assert watched({"a": 5}, {"a": 5}, {"a": 8}, {"a": 8}, {"a": 8})[0] == ["a", "a"]


def test_results_do_not_make_it_answer_again():
    polls = [{"a": 5} for _ in range(4)]

    def answer(study):
        for poll in polls:
            poll[study] = 8
        answered.append(study)

    answered = []
    watched(*polls, answer=answer)
    assert answered == ["a"]


def test_an_archive_that_is_down_is_told_of_once_and_asked_again():
    assert watched({"a": 5}, None, None, {"a": 5}, None) == (["a"], [("", "it is down"), ("", "it is down")])


def test_a_study_that_cannot_be_answered_keeps_no_other_away():
    answered, told = watched(*[{"a": 500, "b": 5}] * 3)
    assert (answered, told) == (["b"], [("a", "too many")])


def test_days():
    assert list(itertools.islice(days("2026-02-03", 0), 2)) == ["20260203"] * 2
    assert len(next(days("", 0))) == 8
    with pytest.raises(SpineError, match="'tomorrow'; give a day as YYYY-MM-DD"):
        next(days("tomorrow", 0))
