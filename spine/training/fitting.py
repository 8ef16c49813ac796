"""One training of one network of any task and framework: what it reads, how, and where it writes. Cheap to import."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment
from spine.experiment.outcomes import Outcome
from spine.member.member import Patients
from spine.training.checkpoints import Checkpoints
from spine.training.history import History
from spine.training.schedule import Phase, with_epochs

if TYPE_CHECKING:
    from spine.training.data import FitData

__all__ = ["Fitting"]


@dataclass(frozen=True)
class Fitting(ABC):
    """One training: what it reads, how, and the member's directory that it writes to. A task fills in its methods.

    `epochs_per_phase` are the epochs of each phase of a refit, which has no validation to stop on. `trained_in` is the
    directory of the training, where a member that it gives besides is published elsewhere.
    """

    data_class: ClassVar[type[FitData]]  # what the task reads of a dataset

    name: str  # the member's
    settings: Any
    data: FitData
    seed: int
    directory: Path
    epochs_per_phase: Mapping[str, int] | None = None
    trained_in: Path | None = None

    @classmethod
    def of(cls, experiment: Experiment, member: str, manifest: Manifest, seed: int, **others: Any) -> Self:
        """The training of a member on a dataset; SpineError where that holds nothing to train or to stop on."""
        settings = experiment.members[member]
        data = cls.data_class.of(experiment, manifest, settings, seed)
        return cls(member, settings, data, seed, experiment.member_directory(member), **others)

    @abstractmethod
    def run(self, prepare_directory: Callable[[], None] = lambda: None) -> History:
        """Run the phases from wherever an earlier run was killed; gives the history.

        `prepare_directory` is called once the network stands, just before the directory is read or written: settings
        that cannot be trained cost no earlier member. SpineError where the training diverges.
        """

    def outcome(self, outcome: Outcome) -> Self:
        """This training as a member that it gives sees it: `best_network`, `export` and `signature` are that one's."""
        trained_in = self.trained_in or self.directory
        settings = outcome.experiment.members[outcome.member]
        return replace(self, name=outcome.member, settings=settings, directory=outcome.directory, trained_in=trained_in)

    def own_history(self, history: History) -> History:
        """The history as the record of that member."""
        return history

    @abstractmethod
    def best_network(self) -> Any:
        """The network of the best epoch, without a trace of its training."""

    @abstractmethod
    def export(self, network: Any) -> Path:
        """Publish the network as the next SavedModel below `directory`; its path."""

    @abstractmethod
    def signature(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What `member.json` says of the inputs and outputs."""

    @property
    def details(self) -> dict[str, Any]:
        """What the report is to tell besides its epochs."""
        return {}

    @property
    def parts_patients(self) -> tuple[Patients, ...]:
        """The patients that other members have seen which become part of this one."""
        return ()

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the member's directory; of several machines that train together, one does."""
        return True

    @property
    def phases(self) -> tuple[Any, ...]:
        """The task's own `Phase`s, in order."""
        phases: tuple[Phase, ...] = self.settings.phases
        return phases if self.epochs_per_phase is None else with_epochs(phases, self.epochs_per_phase)

    @property
    def checkpoints(self) -> Checkpoints:
        """Its checkpoints; removed when the member is complete."""
        return Checkpoints((self.trained_in or self.directory) / "checkpoints")

    def best_epoch(self) -> int:
        """The epoch whose network is published (1-based, counted through all phases)."""
        best = self.checkpoints.history().best
        assert best is not None
        return int(best["epoch"])
