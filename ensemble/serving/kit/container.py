"""TF Serving in Docker, on 127.0.0.1 only: `serve.sh`, the one command, and `docker-compose.yml` that does the same."""

from __future__ import annotations

import re

from ensemble.serving.kit.configs import METRICS, MODELS
from spine.answers.description import NOT_FOR_DIAGNOSIS

__all__ = ["compose_file", "server_arguments", "start_script"]

POLL = 30  # seconds until a changed models.config is read

# The directory is mounted, not its files: a file that is replaced would stay the old one in the container.
# Docker publishes ports to the whole network unless an address is named.
# The image's own entry point is a shell that keeps Ctrl-C from the server: the server is started without it.
# --mount reads CSV: the quotes keep a comma in the path together.
START = """\
#!/usr/bin/env bash
# Starts TF Serving in Docker on the versions in model/, on 127.0.0.1 only:
#   gRPC     127.0.0.1:8500
#   REST     http://127.0.0.1:8501/v1/models/{name}:predict, /v1/models/{name}/labels/stable:predict
#   metrics  http://127.0.0.1:8501{metrics}
# GRPC_PORT, REST_PORT and TF_SERVING_IMAGE change the ports and the image. {note}
set -euo pipefail
here="$(cd "$(dirname "${{BASH_SOURCE[0]}}")" && pwd)"
if ! command -v docker >/dev/null; then
    echo "docker is not installed, which runs TF Serving; spine serve $here answers the same requests without it" >&2
    exit 1
fi
exec docker run --rm --init --security-opt no-new-privileges:true \\
    -p "127.0.0.1:${{GRPC_PORT:-8500}}:8500" -p "127.0.0.1:${{REST_PORT:-8501}}:8501" \\
    --mount "type=bind,\\"source=$here\\",target={models}/{name},readonly" \\
    --entrypoint tensorflow_model_server "${{TF_SERVING_IMAGE:-tensorflow/serving}}" \\
    {arguments}
"""

COMPOSE = """\
# As serve.sh, and started again after a crash: docker compose up -d. {note}
name: "{project}"
services:
  tensorflow-serving:
    image: "${{TF_SERVING_IMAGE:-tensorflow/serving}}"
    init: true
    entrypoint: ["tensorflow_model_server"]
    restart: unless-stopped
    security_opt: ["no-new-privileges:true"]
    ports:
      - "127.0.0.1:${{GRPC_PORT:-8500}}:8500"
      - "127.0.0.1:${{REST_PORT:-8501}}:8501"
    volumes:
      - type: bind
        source: .
        target: "{models}/{name}"
        read_only: true
    command:
{arguments}
"""


def server_arguments(name: str, batches: bool) -> list[str]:
    """The flags of `tensorflow_model_server`; with `batches`, requests are answered together."""
    beside = f"{MODELS}/{name}"
    batching = ["--enable_batching=true", f"--batching_parameters_file={beside}/batching.config"]
    return [
        "--port=8500",
        "--rest_api_port=8501",
        f"--model_config_file={beside}/models.config",
        f"--model_config_file_poll_wait_seconds={POLL}",
        "--allow_version_labels_for_unavailable_models=true",
        f"--monitoring_config_file={beside}/monitoring.config",
        *(batching if batches else []),
    ]


def start_script(name: str, batches: bool) -> str:
    """`serve.sh`."""
    arguments = " \\\n    ".join(server_arguments(name, batches))
    return START.format(name=name, models=MODELS, metrics=METRICS, note=NOT_FOR_DIAGNOSIS, arguments=arguments)


def compose_file(name: str, batches: bool) -> str:
    """`docker-compose.yml`; its project has the model's name, so that those of two models are not one."""
    arguments = "\n".join(f'      - "{argument}"' for argument in server_arguments(name, batches))
    project = "spine-" + re.sub(r"[^a-z0-9_-]", "-", name.lower())
    return COMPOSE.format(name=name, models=MODELS, project=project, note=NOT_FOR_DIAGNOSIS, arguments=arguments)
