"""What Ray finds and leaves in a process that uses a cluster, by what stands in for it."""

import os
import signal
import sys
from types import SimpleNamespace

import pytest

from pipeline.jobs.ray_session import in_cluster
from spine.core.problems import SpineError
from spine.experiment.executor import ExecutorSettings


class StandIn(SimpleNamespace):
    """Does to its process what Ray does: variables, and an end by SIGTERM of its own."""

    is_there = False
    calls = ()

    def is_initialized(self) -> bool:
        return self.is_there

    def init(self, address, **options) -> None:
        self.calls += (("init", address, {name: os.environ.get(name) for name in ("RAY_AUTH_TOKEN_PATH", "RAY_SEEN")}),)
        os.environ.update(RAY_AUTH_MODE="token", RAY_SEEN="changed", PYTHONBREAKPOINT="ray")
        signal.signal(signal.SIGTERM, lambda *given: sys.exit(15))
        if address == "nowhere:1":
            raise Exception("nobody is there")

    def shutdown(self, **options) -> None:
        self.calls += (("shutdown", options),)


def of_ray() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(("RAY_", "PYTHONBREAK"))}


@pytest.fixture
def stand_in(monkeypatch):
    """In place of Ray; the process has to be as before when a test ends."""
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    monkeypatch.setenv("RAY_SEEN", "before")
    variables, handler = of_ray(), signal.getsignal(signal.SIGTERM)
    yield stand_in
    assert of_ray() == variables
    assert signal.getsignal(signal.SIGTERM) == handler


def test_a_cluster_of_its_own_is_started_whatever_runs_here_and_is_gone_afterwards(stand_in):
    handler = signal.getsignal(signal.SIGTERM)
    with in_cluster(ExecutorSettings(kind="ray")):
        assert signal.getsignal(signal.SIGTERM) == handler
    started = ("init", "local", {"RAY_AUTH_TOKEN_PATH": None, "RAY_SEEN": "before"})
    assert stand_in.calls == (started, ("shutdown", {"wait_for_processes": True}))


def test_a_cluster_is_joined_with_its_token_and_left(stand_in, tmp_path):
    token = tmp_path / "token"
    token.write_text("secret")
    settings = ExecutorSettings(kind="ray", address="head:1", token=token)
    with in_cluster(settings), pytest.raises(ZeroDivisionError):
        raise ZeroDivisionError
    joined = ("init", "head:1", {"RAY_AUTH_TOKEN_PATH": str(token), "RAY_SEEN": "before"})
    assert stand_in.calls[0] == joined
    assert stand_in.calls[1][0] == "shutdown"


def test_what_this_process_has_joined_is_used_and_left_to_it(stand_in):
    stand_in.is_there = True
    with in_cluster(ExecutorSettings(kind="ray")):
        pass
    assert stand_in.calls == ()


def test_a_cluster_that_cannot_be_joined_is_named(stand_in):
    with (
        pytest.raises(SpineError, match="the Ray cluster nowhere:1 cannot be joined: nobody is there"),
        in_cluster(ExecutorSettings(kind="ray", address="nowhere:1")),
    ):
        pass
