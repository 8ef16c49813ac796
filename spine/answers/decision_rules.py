"""How the grades of a target are decided, as a served model tells it: by operating point, sets and calibration."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

__all__ = ["DECIDED", "DecisionRules"]

DECIDED = ("calibrated", "decision", "prediction_set")  # outputs beside `probabilities`, where a model has them


class DecisionRules(BaseModel):
    """Of one target; what is not decided has no value. All of it was fitted on the patients that were searched on.

    - Decided positive, the last of the labels, where its probability is at least the `threshold`. It is the operating
      point of a `kind`: "sensitivity" with the one that was `asked` for, "cost" with how many false alarms a missed
      positive costs, or "youden". `bound` is the least sensitivity there, at a `confidence`; `reached` tells whether
      that is what was asked for, where it was.
    - Prediction sets hold the true label with a probability of `coverage`, with `per_class` of each label apart.
    - `calibration` is "temperature" or "isotonic".
    - `notes` are sentences on what could not be had as it was asked for.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")  # a newer model may say more

    kind: str = ""
    asked: float | None = None
    threshold: float | None = None
    bound: float | None = None
    confidence: float | None = None
    reached: bool | None = None
    coverage: float | None = None
    per_class: bool = False
    calibration: str = ""
    notes: tuple[str, ...] = ()

    def sentences(self, target: str, labels: Sequence[str]) -> tuple[str, ...]:
        """For people, each a sentence."""
        told = []
        if self.threshold is not None:
            told.append(f"{target} is decided {labels[-1]} from a probability of {self.threshold:.3f} on{self._why()}.")
        if self.coverage is not None:
            apart = ", for each label by itself" if self.per_class else ""
            told.append(
                f"The set of labels of {target} holds the true one with a probability of {_percent(self.coverage)}"
                f"{apart}, in patients like those searched on; with more than one label it is undecided."
            )
        if self.calibration:
            told.append(
                f"Probabilities of {target} were calibrated too ({self.calibration}), on the patients searched on."
            )
        return (*told, *self.notes)

    def _why(self) -> str:
        asked = f"{self.asked:g}" if self.asked is not None else "?"
        chosen = {
            "sensitivity": f"chosen for a sensitivity of {asked}",
            "cost": f"chosen so that one that is missed costs {asked} false alarms",
            "youden": "chosen for the largest sum of sensitivity and specificity",
        }.get(self.kind, "")
        least = f"at least {self.bound:.2f} sensitive" if self.bound is not None else ""
        if least and self.confidence is not None:
            least += f" with {_percent(self.confidence)} confidence"
        short = "which is less than asked" if self.reached is False else ""
        return "".join(f", {part}" for part in (chosen, least, short) if part)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
