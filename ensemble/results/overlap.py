"""Whether a patient of test, or of the search, was seen before: found through salted hashes, refused, or told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from spine.core.privacy import patient_hash, salt_id
from spine.core.problems import SpineError
from spine.core.words import enumerated
from spine.member.member import Patients

__all__ = ["SEARCH", "Overlap", "TrainingOverlap", "early_stopped_on_searched", "find_overlap", "find_training_overlap"]

SEARCH = "the search"  # with a space, so that no member can have the name


@dataclass(frozen=True)
class Overlap:
    """`seen`: source -> use (trained, stopped, searched) -> how many test patients; `unchecked`: source -> why not."""

    patients: int
    seen: Mapping[str, Mapping[str, int]]
    unchecked: Mapping[str, str]

    def raise_if_any(self) -> None:
        """SpineError where any test patient was seen."""
        if self.seen:
            raise SpineError(
                f"training overlap: {self.patients} test patients were seen before: {self.describe()}. Split by "
                "patient and train again, or allow it with evaluate.allow_overlap=true; the report then says so"
            )

    @property
    def notes(self) -> list[str]:
        """What a reader must know: the patients that were seen, and what could not be checked."""
        seen = f"Not an honest test: {self.patients} test patients were seen before ({self.describe()})."
        unchecked = [f"Overlap was not checked for {name}: it {why}." for name, why in self.unchecked.items()]
        return ([seen] if self.seen else []) + unchecked

    def describe(self) -> str:
        """Such as `vgg trained on 2 and stopped on 1; the search used 3`."""
        return "; ".join(
            f"{source} " + enumerated(f"{use} on {count}" for use, count in uses.items())
            for source, uses in self.seen.items()
        )


def find_overlap(patients: Iterable[str], sources: Mapping[str, Patients]) -> Overlap:
    """Look for the test `patients` among those that members trained, stopped or searched on, and the search used."""
    test = {patient_hash(patient) for patient in set(patients)}
    everyone: set[str] = set()
    seen, unchecked = {}, {}
    for name, source in sources.items():
        uses = {use: test & set(getattr(source, use)) for use in ("trained", "stopped", "searched")}
        if reason := _why_unchecked(source):
            unchecked[name] = reason
        elif any(uses.values()):
            seen[name] = {use: len(patients) for use, patients in uses.items() if patients}
            everyone = everyone.union(*uses.values())
    return Overlap(len(everyone), seen, unchecked)


@dataclass(frozen=True)
class TrainingOverlap:
    """Of the `patients` that weights are searched on, how many each member of `trained` learned from."""

    patients: int
    trained: Mapping[str, int]

    def raise_if_any(self) -> None:
        """SpineError where any member learned from any of them: its score there says little of other patients."""
        if self.trained:
            raise SpineError(
                f"training overlap: {self.describe()}, and would get weight for that. Use predictions of models that "
                "had not seen these patients, split by patient and train again, or allow it with "
                "search.allow_overlap=true; weights.json and the report then say so"
            )

    @property
    def notes(self) -> list[str]:
        """What a reader must know."""
        flattered = "its scores there, the search score and the estimate for other patients are flattered, and so may"
        return [f"{self.describe()}: {flattered} its weight be."] if self.trained else []

    def describe(self) -> str:
        """Such as `vgg was trained on 2 of the 12 patients that the weights are searched on`."""
        trained = enumerated(f"{name} was trained on {count}" for name, count in self.trained.items())
        return f"{trained} of the {self.patients} patients that the weights are searched on"


def find_training_overlap(patients: Iterable[str], members: Mapping[str, Patients]) -> TrainingOverlap:
    """Look for the `patients` that weights are searched on among those that members were trained on."""
    searched = {patient_hash(patient) for patient in set(patients)}
    counts = {name: len(searched & set(member.trained)) for name, member in members.items()}
    return TrainingOverlap(len(searched), {name: count for name, count in counts.items() if count})


def early_stopped_on_searched(sources: Mapping[str, Patients]) -> list[str]:
    """The members whose training also stopped on patients that weights were chosen on."""
    searched = set(sources[SEARCH].searched)
    return [name for name, source in sources.items() if searched & set(source.stopped)]


def _why_unchecked(source: Patients) -> str:
    if not (source.trained or source.stopped or source.searched):
        return "names no patients"
    if source.salt != salt_id():
        return f"hashes its patients under the salt {source.salt or '(none)'}, this project under {salt_id()}"
    return ""
