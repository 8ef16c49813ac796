"""The TF Serving kit: each file parsed back by the schema of what reads it, and the versions that the labels name."""

import csv
import os
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from tensorflow_serving.config import model_server_config_pb2

from ensemble.serving.kit.container import server_arguments
from ensemble.serving.kit.versions import Served
from ensemble.serving.kit.write import write_serving_kit
from spine.core.problems import SpineError
from spine.core.strict import validate
from spine.experiment.stages import BatchingSettings, ExportSettings
from spine.member.member import Card

# The messages that no package ships: field -> number and type, as their .proto files have them.
# https://github.com/tensorflow/serving/blob/master/tensorflow_serving/servables/tensorflow/session_bundle_config.proto
BATCHING = {
    "max_batch_size": (1, "Int64Value"),
    "batch_timeout_micros": (2, "Int64Value"),
    "max_enqueued_batches": (3, "Int64Value"),
    "num_batch_threads": (4, "Int64Value"),
    "thread_pool_name": (5, "StringValue"),
    "allowed_batch_sizes": (6, "repeated int64"),
    "pad_variable_length_inputs": (7, "bool"),
}
# https://github.com/tensorflow/serving/blob/master/tensorflow_serving/config/monitoring_config.proto
MONITORING = {"prometheus_config": (1, {"enable": (1, "bool"), "path": (2, "string")})}

# tensorflow_serving/model_servers/main.cc
FLAGS = {
    *("port", "rest_api_port"),
    *("model_config_file", "model_config_file_poll_wait_seconds", "allow_version_labels_for_unavailable_models"),
    *("monitoring_config_file", "enable_batching", "batching_parameters_file"),
}


def message_of(name: str, schema: dict):
    """A message class of that schema: protobuf's own text parser then refuses what is not in it."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package="told", syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    _describe(file.message_type.add(name=name), schema)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"told.{name}"))


def _describe(message: descriptor_pb2.DescriptorProto, schema: dict) -> None:
    kinds = descriptor_pb2.FieldDescriptorProto
    for field, (number, kind) in schema.items():
        told = message.field.add(name=field, number=number, label=kinds.LABEL_OPTIONAL)
        if isinstance(kind, dict):
            _describe(message.nested_type.add(name=f"Of_{field}"), kind)
            told.type, told.type_name = kinds.TYPE_MESSAGE, f"Of_{field}"
        elif kind.endswith("Value"):
            told.type, told.type_name = kinds.TYPE_MESSAGE, f".google.protobuf.{kind}"
        else:
            if kind.startswith("repeated "):
                told.label = kinds.LABEL_REPEATED
            told.type = getattr(kinds, f"TYPE_{kind.removeprefix('repeated ').upper()}")


@pytest.fixture
def directory(tmp_path) -> Path:
    """Of a member with three versions."""
    for version in (1, 2, 3):
        (tmp_path / "model" / str(version)).mkdir(parents=True)
    (tmp_path / "model" / ".4.x.tmp").mkdir()  # one that is being written
    return tmp_path


def written(directory: Path, task: str = "classification", name: str = "discs", **settings) -> Path:
    (directory / "member.json").write_text(
        Card(name="m", task=task, labels=("a", "b"), config_hash="c", model_hash="h").model_dump_json()
    )
    write_serving_kit(directory, name, validate(ExportSettings, settings, "export"))
    return directory


def served(directory: Path) -> model_server_config_pb2.ModelConfig:
    """The one model of models.config."""
    text = (directory / "models.config").read_text()
    (model,) = text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config
    return model


@pytest.mark.parametrize(
    ("settings", "stable", "loaded"),
    [
        ({}, 3, 2),
        ({"versions": 1}, 3, 1),
        ({"stable": "previous"}, 2, 2),
        ({"stable": "previous", "versions": 1}, 2, 2),  # both labels have to be answered
        ({"stable": 1}, 1, 3),
        ({"stable": 3, "versions": 5}, 3, 5),
    ],
)
def test_the_labels_name_versions_that_are_loaded(directory, settings, stable, loaded):
    model = served(written(directory, **settings))
    assert (model.name, model.base_path, model.model_platform) == ("discs", "/models/discs/model", "tensorflow")
    assert dict(model.version_labels) == {"stable": stable, "canary": 3}
    assert model.model_version_policy.latest.num_versions == loaded


def test_the_only_version_is_the_previous_one_too():
    assert Served.of([7], ExportSettings(stable="previous")) == Served(stable=7, canary=7, loaded=2)


def test_versions_that_were_removed_are_not_counted():
    assert Served.of([2, 5, 9], ExportSettings(stable=2, versions=1)).loaded == 3


def test_a_version_that_is_not_there_is_told(directory):
    with pytest.raises(SpineError, match=r"export.stable is 4.*: 1, 2, 3\. Give one of them"):
        written(directory, stable=4)


@pytest.mark.parametrize(
    "wrong", [{"stable": "oldest"}, {"stable": 0}, {"stable": True}, {"name": ".."}, {"name": "-v"}]
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(SpineError, match="export is not valid"):
        validate(ExportSettings, wrong, "export")


def test_what_stable_may_be_is_told():
    with pytest.raises(SpineError, match="stable: it is newest, previous, or the number of a version; received 'old'"):
        validate(ExportSettings, {"stable": "old"}, "export")


def test_batching_has_only_fields_that_tf_serving_knows(directory):
    batching = {"max_batch_size": 3, "batch_timeout_micros": 40, "max_enqueued_batches": 5, "num_batch_threads": 6}
    text = (written(directory, batching=batching) / "batching.config").read_text()
    message = text_format.Parse(text, message_of("BatchingParameters", BATCHING)())
    assert {key: getattr(message, key).value for key in batching} == batching
    assert message.pad_variable_length_inputs is False
    assert set(batching) | {"enabled"} == set(BatchingSettings.model_fields)
    with pytest.raises(text_format.ParseError, match="no field named"):
        text_format.Parse(text + "max_batch: 3", message_of("BatchingParameters", BATCHING)())


def test_monitoring_has_only_fields_that_tf_serving_knows(directory):
    text = (written(directory) / "monitoring.config").read_text()
    message = text_format.Parse(text, message_of("MonitoringConfig", MONITORING)())
    assert message.prometheus_config.enable
    assert message.prometheus_config.path == "/monitoring/prometheus/metrics"


@pytest.mark.parametrize(
    ("task", "enabled", "batches"),
    [
        ("classification", None, True),
        ("detection", None, True),
        ("segmentation", None, False),  # pictures of other sizes would fail each other
        ("case", None, False),
        ("segmentation", True, True),
        ("classification", False, False),
    ],
)
def test_requests_are_batched_where_pictures_may_have_any_size(directory, task, enabled, batches):
    script = (written(directory, task, batching={"enabled": enabled}) / "serve.sh").read_text()
    assert ("--enable_batching=true" in script) is batches


def test_the_flags_are_those_of_the_model_server():
    flags = server_arguments("discs", batches=True)
    assert {flag.removeprefix("--").split("=")[0] for flag in flags} == FLAGS


def test_the_compose_file_starts_what_the_script_starts(directory):
    written(directory, name="Discs.v2")
    compose = yaml.safe_load((directory / "docker-compose.yml").read_text())
    (service,) = compose["services"].values()
    assert set(compose) == {"name", "services"}
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", compose["name"])
    assert service["entrypoint"] == ["tensorflow_model_server"]
    assert service["command"] == server_arguments("Discs.v2", batches=True)
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    (mounted,) = service["volumes"]
    assert mounted == {"type": "bind", "source": ".", "target": "/models/Discs.v2", "read_only": True}
    for argument in service["command"]:
        assert argument in (directory / "serve.sh").read_text()
        if "_file=" in argument:
            assert (directory / Path(argument.split("=")[1]).name).exists()


def test_the_script_starts_docker_on_its_own_directory_and_on_this_machine_only(directory, tmp_path):
    beside = tmp_path / "a b's, $HOME"  # where it is moved to
    shutil.copytree(written(directory), beside, ignore=shutil.ignore_patterns("a b*"))
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text('#!/bin/sh\nfor argument; do echo "$argument"; done\n')
    docker.chmod(0o755)
    environment = {"PATH": f"{docker.parent}:{os.environ['PATH']}", "REST_PORT": "9501"}
    told = subprocess.run([beside / "serve.sh"], cwd="/", env=environment, capture_output=True, text=True, check=True)
    arguments = told.stdout.splitlines()
    published = [value for flag, value in pairwise(arguments) if flag == "-p"]
    assert published == ["127.0.0.1:8500:8500", "127.0.0.1:9501:8501"]
    mount = next(csv.reader([arguments[arguments.index("--mount") + 1]]))
    assert mount == ["type=bind", f"source={beside}", "target=/models/discs", "readonly"]
    image = arguments.index("tensorflow/serving")
    assert arguments[image - 2 : image] == ["--entrypoint", "tensorflow_model_server"]
    assert arguments[image + 1 :] == server_arguments("discs", batches=True)


def test_the_script_says_what_it_lacks(directory, tmp_path):
    bash = shutil.which("bash")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "dirname").symlink_to(shutil.which("dirname"))
    script = written(directory) / "serve.sh"
    done = subprocess.run([bash, script], env={"PATH": str(tools)}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "docker is not installed" in done.stderr


@pytest.mark.parametrize("checker", [("bash", "-n"), ("shellcheck",)], ids=lambda checker: checker[0])
def test_the_script_is_sound(directory, checker):
    if not shutil.which(checker[0]):
        pytest.skip(f"{checker[0]} is not installed")
    done = subprocess.run([*checker, written(directory) / "serve.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_unchanged_keeps_its_time(directory):
    written(directory)
    files = [directory / name for name in ("models.config", "serve.sh", "docker-compose.yml", "batching.config")]
    for file in files:
        os.utime(file, (1, 1))
    written(directory, stable="previous")
    assert [file.stat().st_mtime == 1 for file in files] == [False, True, True, True]
    assert (directory / "serve.sh").stat().st_mode & 0o111
