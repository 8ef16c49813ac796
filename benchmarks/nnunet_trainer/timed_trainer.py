"""nnU-Net's own trainer, ended by CPU time. It runs in nnU-Net's environment, which finds it by `nnUNet_extTrainer`."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import torch  # type: ignore[import-not-found]
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer  # type: ignore[import-not-found]

SECONDS = "SPINE_NNUNET_CPU_SECONDS"
EXPONENT = 0.9  # of nnU-Net's polynomial schedule


class TimedTrainer(nnUNetTrainer):  # type: ignore[misc]
    """nnU-Net's training but for its end: CPU seconds of this process in place of 1,000 epochs.

    The learning rate falls by nnU-Net's own polynomial, of the share of the time that is over in place of the epochs'.
    An epoch is validated on one batch, and the cases are not predicted after the training: neither changes a weight.
    """

    def __init__(  # nnU-Net reads the names of these parameters
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int | str,
        dataset_json: dict[str, Any],
        device: torch.device = torch.device("cuda"),  # noqa: B008
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_val_iterations_per_epoch = 1
        self.budget, self.iterations, self.started, self.began = float(os.environ[SECONDS]), 0, 0.0, 0.0

    @property
    def share(self) -> float:
        """Of the time that is over."""
        return min(1.0, (time.process_time() - self.started) / self.budget)

    def run_training(self) -> None:
        """Epochs until the time is over, the last one short."""
        self.on_train_start()
        self.started, self.began = time.process_time(), time.monotonic()
        while self.share < 1:
            self.on_epoch_start()
            self.on_train_epoch_start()
            outputs: list[Any] = []
            while len(outputs) < self.num_iterations_per_epoch and self.share < 1:
                outputs.append(self.train_step(next(self.dataloader_train)))
            self.on_train_epoch_end(outputs)
            self._validate()
            self.on_epoch_end()
        self._tell()
        self.on_train_end()

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One step at the rate of the time."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.initial_lr * max(1 - self.share, 1e-3) ** EXPONENT
        self.iterations += 1
        return super().train_step(batch)  # type: ignore[no-any-return]

    def _validate(self) -> None:
        with torch.no_grad():
            self.on_validation_epoch_start()
            self.on_validation_epoch_end([self.validation_step(next(self.dataloader_val))])

    def _tell(self) -> None:
        spent = {
            "iterations": self.iterations,
            "epochs": self.current_epoch,
            "cpu_seconds": round(time.process_time() - self.started, 1),
            "seconds": round(time.monotonic() - self.began, 1),
            "batch": self.configuration_manager.batch_size,
            "patch": list(map(int, self.configuration_manager.patch_size)),
        }
        Path(self.output_folder, "trained.json").write_text(json.dumps(spent))

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Nothing."""
