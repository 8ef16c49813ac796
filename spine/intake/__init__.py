"""From sources to a dataset: images and annotations are read, merged, pseudonymised, cropped and split."""

from spine.intake.build import BuildResult, build, detection_counts, detection_table
from spine.intake.config import DataConfig, load_data_config

__all__ = ["BuildResult", "DataConfig", "build", "detection_counts", "detection_table", "load_data_config"]
