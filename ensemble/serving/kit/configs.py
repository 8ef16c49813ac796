"""The three files that `tensorflow_model_server` reads, as protobuf text.

Of the messages ModelServerConfig (config/model_server_config.proto), BatchingParameters
(servables/tensorflow/session_bundle_config.proto) and MonitoringConfig (config/monitoring_config.proto) of
https://github.com/tensorflow/serving/tree/master/tensorflow_serving.
"""

from __future__ import annotations

from ensemble.serving.kit.versions import Served
from spine.experiment.stages import BatchingSettings

__all__ = ["METRICS", "MODELS", "batching_config", "models_config", "monitoring_config"]

MODELS = "/models"  # where the directories of models lie in the container
METRICS = "/monitoring/prometheus/metrics"


def models_config(name: str, served: Served) -> str:
    """`models.config`: where the model's versions lie, how many are loaded, and their labels."""
    return f"""\
model_config_list {{
  config {{
    name: "{name}"
    base_path: "{MODELS}/{name}/model"
    model_platform: "tensorflow"
    model_version_policy {{ latest {{ num_versions: {served.loaded} }} }}
    version_labels {{ key: "stable" value: {served.stable} }}
    version_labels {{ key: "canary" value: {served.canary} }}
  }}
}}
"""


def batching_config(settings: BatchingSettings) -> str:
    """`batching.config`: how requests that wait at the same time are answered together.

    Inputs of other sizes are never padded: an image that is padded is another image, and its answer another answer.
    """
    return f"""\
max_batch_size {{ value: {settings.max_batch_size} }}
batch_timeout_micros {{ value: {settings.batch_timeout_micros} }}
max_enqueued_batches {{ value: {settings.max_enqueued_batches} }}
num_batch_threads {{ value: {settings.num_batch_threads} }}
pad_variable_length_inputs: false
"""


def monitoring_config() -> str:
    """`monitoring.config`: metrics for Prometheus at `METRICS` of the REST port."""
    return f"""\
prometheus_config {{
  enable: true
  path: "{METRICS}"
}}
"""
