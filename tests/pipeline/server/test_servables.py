"""Versions on disk: loaded when they appear, unloaded once nobody needs them, refused where nobody trusts them."""

import shutil
import threading
import time

import pytest

from pipeline.server.refusals import Refusal
from pipeline.server.servables import Servables
from spine.core.problems import SpineError
from spine.member.member import Member
from spine.member.seals import SEALS
from tests.pipeline.server.models import Mean, source, write_version

CONFIG = """model_config_list {{ config {{ name: "{name}" base_path: "/models/m" model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: 1 versions: 2 }} }}
    version_labels {{ key: "stable" value: 1 }} version_labels {{ key: "canary" value: 3 }} }} }}"""


@pytest.fixture
def member(tmp_path):
    """A member's directory with one version."""
    write_version(tmp_path / "m", Mean())
    return tmp_path / "m"


def model_of(directory, keep=1, shown=None):
    servables = Servables([source(directory)], [].append if shown is None else shown.append, keep)
    model = servables.models[directory.name]
    model.poll()
    return model


def states(model) -> dict[int, str]:
    return {state.version: state.state for state in model.states()}


def test_a_new_version_takes_over(member):
    model = model_of(member)
    write_version(member, Mean(0.5))
    assert model.available == [1]
    model.poll()
    assert model.available == [2]
    assert states(model) == {2: "AVAILABLE", 1: "END"}
    with model.lease() as servable:
        assert servable.version == 2
    with pytest.raises(Refusal, match=r"Specific\(m, 1\)"), model.lease(1):
        pass


def test_the_old_version_answers_whom_it_has_begun_to_answer(member):
    model = model_of(member)
    with model.lease() as servable:
        write_version(member, Mean(0.5))
        polling = threading.Thread(target=model.poll)
        polling.start()
        while model.available != [2]:
            time.sleep(0.01)
        while states(model)[1] != "UNLOADING":
            time.sleep(0.01)
        assert servable.version == 1
        assert polling.is_alive()
    polling.join(timeout=30)
    assert states(model)[1] == "END"


def test_several_versions_are_kept(member):
    write_version(member, Mean(0.5))
    write_version(member, Mean(0.25))
    model = model_of(member, keep=2)
    assert model.available == [2, 3]
    assert model.labels == {"stable": 2, "canary": 3, "latest": 3}


def test_labels_of_models_config(member):
    for factor in (0.5, 0.25, 0.125):
        write_version(member, Mean(factor))
    (member / "models.config").write_text(CONFIG.format(name="m"))
    model = model_of(member)
    assert model.available == [1, 2, 3, 4]
    assert model.labels == {"stable": 1, "canary": 3, "latest": 4}
    (member / "models.config").write_text(CONFIG.format(name="another"))
    model.poll()
    assert model.available == [4]


@pytest.mark.parametrize("text", ["model_config_list {", "\xff", ""])
def test_a_models_config_that_is_none_is_passed_over(member, text):
    (member / "models.config").write_text(text, "latin-1")
    assert model_of(member).labels["stable"] == 1


def test_a_version_that_is_not_trusted_does_not_run(member):
    model = model_of(member)
    write_version(member, Mean(0.5))
    seals = (member / SEALS).read_text()
    (member / SEALS).write_text(seals.splitlines()[0])
    model.poll()
    assert states(model) == {1: "AVAILABLE", 2: "START"}
    (member / SEALS).write_text(seals)
    model.poll()
    assert model.available == [2]


def test_a_version_that_stays_untrusted_is_told_of(member, monkeypatch):
    monkeypatch.setattr("pipeline.server.candidates._GRACE", 0.0)
    shown = []
    model = model_of(member, shown=shown)
    write_version(member, Mean(0.5))
    (member / SEALS).write_text((member / SEALS).read_text().splitlines()[0])
    model.poll()
    model.poll()
    assert states(model) == {1: "AVAILABLE", 2: "END"}
    assert [line for line in shown if "was not made in this project" in line] == [shown[-1]]


def test_a_damaged_version_leaves_the_old_one(member):
    shown = []
    model = model_of(member, shown=shown)
    version = write_version(member, Mean(0.5))
    damage = version / "saved_model.pb"
    damage.write_bytes(damage.read_bytes()[:100])
    Member.open(member).seal()
    model.poll()
    model.poll()
    assert model.available == [1]
    assert [line.partition(" (")[0] for line in shown[1:]] == ["m: version 2 cannot be loaded"]
    assert model.states(2)[0].code.name == "FAILED_PRECONDITION"


def test_the_last_version_answers_though_its_files_are_gone(member):
    model = model_of(member)
    shutil.rmtree(member / "model")
    model.poll()
    assert model.available == [1]


def test_a_server_without_any_version_does_not_start(member):
    (member / SEALS).unlink()
    with pytest.raises(SpineError, match="m has no version that can be served: version 1 was not made in this project"):
        Servables([source(member)], lambda line: None).start()
