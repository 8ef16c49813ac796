"""The models that are served: versions found on disk, loaded while older ones answer, and unloaded later."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from grpc import StatusCode

from pipeline.server.candidates import Candidate, Candidates
from pipeline.server.refusals import Refusal
from pipeline.server.servable import Servable
from pipeline.server.sources import Source
from pipeline.server.version_policy import read_policy
from pipeline.server.warm_up import warm_up
from spine.core.problems import SpineError, brief, fault_of

__all__ = ["Model", "Servables", "VersionState"]

# States of tensorflow_serving/apis/get_model_status.proto.
START, LOADING, AVAILABLE, UNLOADING, END = "START", "LOADING", "AVAILABLE", "UNLOADING", "END"
_ENDED = 8  # versions that ended are told of, the newest of them
Show = Callable[[str], None]


@dataclass
class VersionState:
    """How far a version is, and why it is no further: `code` and `message` are of whoever asks for its status."""

    version: int
    state: str
    code: StatusCode = StatusCode.OK
    message: str = ""


class Model:
    """One model: its directory's versions by number. Requests lease one; `poll` looks for new ones on disk."""

    def __init__(self, source: Source, keep: int, show: Show) -> None:
        """`keep` newest versions stay loaded, and those that models.config labels."""
        self.name, self._directory, self._keep, self._show = source.name, source.directory, keep, show
        self._candidates = Candidates(source.directory)
        self._changed = threading.Condition()
        self._states: dict[int, VersionState] = {}
        self._loaded: dict[int, Servable] = {}
        self._leases: dict[int, int] = {}
        self._policy = read_policy(self._directory, self.name)

    @property
    def available(self) -> list[int]:
        """The versions that answer, in order."""
        with self._changed:
            return [number for number in sorted(self._loaded) if self._states[number].state == AVAILABLE]

    @property
    def labels(self) -> dict[str, int]:
        """Label -> version: `latest` and `canary` are the newest that answers, `stable` the oldest, unless
        models.config says otherwise.
        """
        available = self.available
        own = {"latest": available[-1], "canary": available[-1], "stable": available[0]} if available else {}
        return {**own, **self._policy.labels}

    def states(self, version: int | None = None) -> list[VersionState]:
        """What there is to tell of a version, or of all, the newest first; Refusal where that is nothing."""
        with self._changed:
            told = sorted(self._states.values(), key=lambda state: -state.version)
        chosen = [state for state in told if version in (None, state.version)]
        if not chosen:
            what = "any versions" if version is None else f"version {version}"
            raise Refusal(StatusCode.NOT_FOUND, f"Could not find {what} of model {self.name}")
        return chosen

    @contextmanager
    def lease(self, version: int | None = None, label: str = "") -> Iterator[Servable]:
        """A version, by default the newest that answers; it stays loaded until it is given back."""
        with self._changed:  # the choice too, or the version that is chosen may go before it is leased
            number = self._number(version, label)
            if number is None or number not in self._loaded or self._states[number].state != AVAILABLE:
                raise not_found(self.name, number)
            servable = self._loaded[number]
            self._leases[number] = self._leases.get(number, 0) + 1
        try:
            yield servable
        finally:
            with self._changed:
                self._leases[number] -= 1
                self._changed.notify_all()

    def _number(self, version: int | None, label: str) -> int | None:
        if label:
            return labelled(self.labels, label)
        available = self.available
        return version if version is not None else available[-1] if available else None

    def poll(self) -> None:
        """Load what is new and wanted, then unload what is wanted no more."""
        self._policy = read_policy(self._directory, self.name)
        there = self._candidates.look()
        for candidate in self._wanted(there):
            if candidate.version not in self._loaded:
                self._load(candidate)
        self._note_refused(there)
        wanted = {candidate.version for candidate in self._wanted(there)}
        answering = self.available
        kept = wanted & {*answering} or {*answering[-1:]}  # the last one answers until another does
        for number in answering:
            if number not in kept:
                self._unload(number)

    def _wanted(self, there: Sequence[Candidate]) -> list[Candidate]:
        good = [candidate for candidate in there if candidate.refusal is None]
        newest = good[-max(self._keep, self._policy.newest) :]
        named = {*self._policy.labels.values(), *self._policy.versions}
        return [candidate for candidate in reversed(good) if candidate in newest or candidate.version in named]

    def _load(self, candidate: Candidate) -> None:
        self._note(VersionState(candidate.version, LOADING))
        try:
            servable = Servable.load(self.name, candidate.path)
            warm_up(servable, candidate.path)
        except Exception as error:  # of a damaged SavedModel TensorFlow raises anything
            candidate.refuse(f"cannot be loaded ({brief(fault_of(error))}); export it again")
            return
        with self._changed:
            self._loaded[candidate.version] = servable
            self._states[candidate.version] = VersionState(candidate.version, AVAILABLE)
        self._show(f"{self.name}: version {candidate.version} answers")

    def _unload(self, number: int) -> None:
        with self._changed:
            self._states[number].state = UNLOADING
            self._changed.wait_for(lambda: not self._leases.get(number))
            del self._loaded[number]
            self._leases.pop(number, None)
        gc.collect()  # a SavedModel is a circle of references
        self._note(VersionState(number, END))
        self._show(f"{self.name}: version {number} is unloaded")

    def _note_refused(self, there: Sequence[Candidate]) -> None:
        for candidate in there:
            if candidate.version in self._loaded or candidate.refusal is None:
                continue
            if candidate.is_new:  # it may be sealed in a moment
                self._note(VersionState(candidate.version, START))
                continue
            if candidate.is_to_be_shown():
                self._show(f"{self.name}: version {candidate.version} {candidate.refusal}")
            self._note(
                VersionState(candidate.version, END, StatusCode.FAILED_PRECONDITION, "the version was not loaded")
            )

    def _note(self, state: VersionState) -> None:
        with self._changed:
            self._states[state.version] = state
            ended = sorted(number for number, told in self._states.items() if told.state == END)
            for number in ended[:-_ENDED]:
                del self._states[number]

    @property
    def reasons(self) -> list[str]:
        """Why versions on disk do not answer, for whoever starts the server."""
        return [f"version {one.version} {one.refusal}" for one in self._candidates.look() if one.refusal]


class Servables:
    """All models by name, and the thread that looks for their new versions."""

    def __init__(self, sources: Sequence[Source], show: Show, keep: int = 1, interval: float = 1.0) -> None:
        self.models = {source.name: Model(source, keep, show) for source in sources}
        self._interval, self._show = interval, show
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="versions", daemon=True)

    def start(self) -> None:
        """Load each model's newest version, then watch for more; SpineError where one has none that may run."""
        for model in self.models.values():
            model.poll()
            if not model.available:
                reasons = "; ".join(model.reasons) or "there is no model/<version>/ in its directory"
                raise SpineError(f"{model.name} has no version that can be served: {reasons}")
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread.ident:
            self._thread.join(timeout=5)

    @property
    def are_ready(self) -> bool:
        """Whether every model answers."""
        return all(model.available for model in self.models.values())

    def lease(self, name: str, version: int | None = None, label: str = "") -> AbstractContextManager[Servable]:
        """A version of a model, for as long as it is held; Refusal where there is none, in TF Serving's words."""
        if name not in self.models:
            raise unknown_label(label) if label else not_found(name, version)
        return self.models[name].lease(version, label)

    def states(self, name: str, version: int | None = None, label: str = "") -> list[VersionState]:
        """What there is to tell of a model's versions; Refusal where that is nothing."""
        if name not in self.models:
            what = "any versions" if version is None else f"version {version}"
            raise Refusal(StatusCode.NOT_FOUND, f"Could not find {what} of model {name}")
        model = self.models[name]
        return model.states(labelled(model.labels, label) if label else version)

    def _watch(self) -> None:
        while not self._stop.wait(self._interval):
            for model in self.models.values():
                try:
                    model.poll()
                except Exception as error:  # such as of a disk that is away: the next look may find it again
                    self._show(f"{model.name}: looking for new versions failed ({brief(fault_of(error))})")


def not_found(name: str, version: int | None) -> Refusal:
    """NotFound, in the words of TF Serving's BasicManager."""
    asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
    return Refusal(StatusCode.NOT_FOUND, f"Servable not found for request: {asked}")


def labelled(labels: dict[str, int], label: str) -> int:
    """The version of a label; Refusal where it is unknown."""
    if label not in labels:
        raise unknown_label(label)
    return labels[label]


def unknown_label(label: str) -> Refusal:
    """InvalidArgument, in the words of TF Serving's ServerCore."""
    return Refusal(StatusCode.INVALID_ARGUMENT, f"Unrecognized servable version label: {label}")
