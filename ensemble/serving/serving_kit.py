"""What stands beside an exported model so that one command starts TF Serving on it."""

from __future__ import annotations

from pathlib import Path

from spine.core.files import atomic_file

__all__ = ["write_serving_kit"]

MODELS_CONFIG = """\
model_config_list {{
  config {{
    name: "{name}"
    base_path: "/models/{name}"
    model_platform: "tensorflow"
  }}
}}
"""

# Docker publishes ports to the whole network unless an address is named.
SERVE = """\
#!/usr/bin/env bash
# Starts TF Serving on the newest version in model/: gRPC on 127.0.0.1:8500, REST on
# http://127.0.0.1:8501/v1/models/{name}:predict
set -euo pipefail
here="$(cd "$(dirname "${{BASH_SOURCE[0]}}")" && pwd)"
exec docker run --rm -p 127.0.0.1:8500:8500 -p 127.0.0.1:8501:8501 \\
    -v "$here/model:/models/{name}:ro" -v "$here/models.config:/models/models.config:ro" \\
    tensorflow/serving --model_config_file=/models/models.config
"""


def write_serving_kit(directory: Path, name: str) -> None:
    """Write `models.config` and the executable `serve.sh` beside `model/`; `name` is what the model is served as."""
    for file, template in (("models.config", MODELS_CONFIG), ("serve.sh", SERVE)):
        text = template.format(name=name)
        if (directory / file).exists() and (directory / file).read_text() == text:
            continue  # what is unchanged keeps its time
        with atomic_file(directory / file) as temporary:
            temporary.write_text(text)
            temporary.chmod(0o755 if file.endswith(".sh") else 0o644)
