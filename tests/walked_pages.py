"""The commands of README and docs, typed in order as a reader would, after the quickstart has run; and why others are
not.

A walk is a page's. Each line is run as it stands, but for what `instead` of the walk puts in place of what the reader
chooses (a path, a name, a port) and what `more` appends to make it small. Nothing of full size is trained.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests import readers_files as readers
from tests.forked_spine import write_spine
from tests.pages import ROOT, steps

SERVERS = ("spine serve configs", "spine demo")  # they answer until they are ended
CROPPED = "the quickstart crops the boxes of its detector"
NOT_RUN = {  # a page, or how a line begins -> why it is not run
    "docs/papers.md": "tests of packs run them, tests/pipeline/papers",
    "CONTRIBUTING.md": "it sets up an environment, and runs this",
    "docs/cases.md": "the quickstart exports this case; tests/ensemble/case evaluates one",
    "docs/demo.md": "README.md has its line, and configs/papers takes a run of real images",
    "docs/pacs.md": "it takes an archive; tests/pipeline/pacs runs them against Orthanc",
    "docs/design.md": "it names a command",
    "git clone": "this is the clone",
    "spine data crop data/my_boxes --label disc --output data/my_discs_detected": CROPPED,
    "spine data crop data/my_boxes --label lumbar_region": CROPPED,
    "scripts/quickstart": "it sets up an environment, and then runs what tests/test_quickstart.py runs",
    "scripts/environment": "it installs packages, and these tests run in what it makes",
    "scripts/test": "it runs this",
    "scripts/check": "it runs this",
    "source .venv/bin/activate": "it is of the reader's shell",
    "spine predict my_case.yaml": "it takes a cluster; tests/pipeline/bulk runs jobs on Ray",
    "spine run configs/spider": "it trains for hours, on real images",
    "SPIDER=": "it trains for hours, on real images",
    "spine run configs/quickstart/classification.yaml": "it trains; test_docs_commands.py reads its overrides",
    "python -m venv /tmp/nnunet": "it installs PyTorch and nnU-Net from the network",
    "python benchmarks": "it trains for an hour; test_docs_commands.py reads its options",
    "runs/<experiment>/ensembles/<name>/serve.sh": "it takes Docker; tests/ensemble/serving/kit reads what it starts",
}


@dataclass(frozen=True)
class Walk:
    """What the reader of a page has and chooses, and what is there when the last line has run."""

    prepare: Callable[[Path], None] = lambda folder: None
    instead: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, str] = field(default_factory=dict)  # how a line begins -> words
    also: tuple[str, ...] = ()  # lines that sentences of the page tell
    python: int = 0  # how many of its blocks of Python are run too, the first ones
    writes: tuple[str, ...] = ()  # files, by pattern
    prints: tuple[str, ...] = ()
    then: tuple[str, ...] = ()  # pages that go on while the servers of this one run


def walk(name: str, folder: Path) -> None:
    """Run the lines of a page in `folder`, in which the quickstart has run."""
    ports = {"8501": str(free_port()), "8500": str(free_port())}
    with contextlib.ExitStack() as servers:
        for page in (name, *WALKED[name].then):
            told = list(told_by(page, folder, ports, servers))
            missing = [pattern for pattern in WALKED[page].writes if not list(folder.glob(pattern))]
            missing += [words for words in WALKED[page].prints if words not in "".join(told)]
            assert not missing, (missing, told)


def told_by(name: str, folder: Path, ports: Mapping[str, str], servers: contextlib.ExitStack) -> Iterator[str]:
    """What each line of a page prints; a server goes on in `servers`, one of `spine serve` until the next."""
    page = WALKED[name]
    page.prepare(folder)
    blocks_of_python = page.python
    for kind, step in dict.fromkeys([*steps(ROOT / name), *(("shell", line) for line in page.also)]):
        line = adapted(step, {**page.instead, **ports}, page.more)
        if kind == "python":
            if blocks_of_python:
                yield typed(f"python - <<'END'\n{line}END", folder)
            blocks_of_python = max(0, blocks_of_python - 1)
        elif line.startswith(SERVERS):
            if line.startswith("spine serve"):
                servers.pop_all().close()
            servers.enter_context(serving(line, folder, ports))
        elif not reason(name, step):
            yield typed(line, folder)


def adapted(line: str, instead: Mapping[str, str], more: Mapping[str, str]) -> str:
    """A line with the reader's own words, and with those that make it small."""
    for text, stand_in in instead.items():
        line = line.replace(text, stand_in)
    return line + "".join(f" {words}" for start, words in more.items() if line.startswith(start))


def is_run(name: str, line: str) -> bool:
    return name in WALKED and not reason(name, line)


def reason(name: str, line: str) -> str:
    """Why a line of a page is not run."""
    return next((why for start, why in NOT_RUN.items() if name == start or line.startswith(start)), "")


def typed(line: str, folder: Path) -> str:
    """What a line of shell prints; an error where it fails."""
    done = subprocess.run(["bash", "-c", line], cwd=folder, env=environment(folder), capture_output=True, text=True)
    assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def environment(folder: Path) -> dict[str, str]:
    """The reader's: `spine` and `python` are of this checkout, the salt is the folder's."""
    programs = folder / "bin"
    if not programs.exists():
        programs.mkdir()
        (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (programs / "python").chmod(0o755)
        write_spine(programs / "spine")
    own = {key: value for key, value in os.environ.items() if not key.startswith("SPINE_S")}
    path = f"{programs}{os.pathsep}{own['PATH']}"
    return {**own, "PATH": path, "PYTHONPATH": str(ROOT), "GRADIO_ANALYTICS_ENABLED": "False"}


@contextlib.contextmanager
def serving(line: str, folder: Path, ports: Mapping[str, str]) -> Iterator[None]:
    """A server while the lines after it run; it ends by SIGTERM, as it promises."""
    if line.startswith("spine serve"):
        line += f" --rest-port {ports['8501']} --grpc-port {ports['8500']}"
        url = f"http://127.0.0.1:{ports['8501']}/healthz"
    else:
        port = free_port()
        line, url = f"{line} --port {port}", f"http://127.0.0.1:{port}/"
    said = folder / "server.txt"
    with said.open("w") as output:
        command = ["bash", "-c", line.replace("spine", "exec python -m pipeline.cli", 1)]
        server = subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=output, stderr=output)
    try:
        while not answers(url):
            assert server.poll() is None, f"{line}\n{said.read_text()[-3000:]}"
            time.sleep(0.2)
        yield
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait() in (0, 143, -signal.SIGTERM), said.read_text()


def answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, trust_env=False, timeout=60).status_code == 200
    return False


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


WALKED = {
    "README.md": Walk(
        readers.config_and_experiment,
        more={
            "spine serve": "configs/quickstart/classification.yaml",
            "spine run my_experiment": "search.resamples=20 evaluate.resamples=100",
        },
        then=("docs/client.md",),
        writes=("answers/**/*.json", "answers/**/*.dicom/report.dcm", "runs/my_experiment/report.html"),
    ),
    "docs/client.md": Walk(
        readers.pictures_to_send,
        more={"spine serve check": "--most 4"},
        python=1,
        writes=("answers/findings.csv", "answers/measurements.csv"),
        prints=("'findings': ", "scans/"),
    ),
    "docs/data.md": Walk(
        readers.boxes_to_crop, instead={"DIR": "exported"}, writes=("exported/train.tfrecord-00003-of-00004",)
    ),
    "docs/documents.md": Walk(
        also=(
            "grep -l 'A. Author' runs/my_experiment/*.md",
            "grep 'Funding.* None. ' runs/my_experiment/claim_2024.md",
        ),
        prints=("model_card.md", "dataset_card.md", "Funding"),
    ),
    "docs/editors.md": Walk(writes=("experiment.schema.json", "data.schema.json", "case.schema.json")),
    "docs/foreign_members.md": Walk(
        readers.foreign_experiment,
        instead={"EXPERIMENT": "experiment.yaml"},
        also=("spine search experiment.yaml", "spine evaluate experiment.yaml"),
        python=1,
        prints=("logistic",),
    ),
    "docs/howto/add_a_backbone.md": Walk(
        more={"spine train": "name=backbone"}, writes=("runs/backbone/members/plain_cnn/model/1",)
    ),
    "docs/howto/many_studies.md": Walk(
        readers.studies_to_answer,
        instead={
            "data/phantom/studies": "some_studies",
            # The case takes long to load; shards of it are shards of what loads at once.
            "cases/quickstart.yaml --studies some_studies --output answers_of_shards": (
                "quickstart/classification.yaml --studies some_studies --output answers_of_shards"
            ),
            "cases/quickstart.yaml --studies some_studies --output answers_by_jobs": (
                "quickstart/classification.yaml --studies some_studies --output answers_by_jobs"
            ),
        },
        python=1,
        writes=(
            "answers_of_all/parts/part-00000/findings.parquet",
            "answers_of_all/parts/part-00000/masks/*.png",
            "answers_of_shards/parts/part-*-of-2-00000/sources.csv",
            "answers_by_jobs/jobs/shard-*-of-2.json",
        ),
        prints=("disc",),
    ),
    "docs/howto/own_dicom.md": Walk(
        readers.own_dicom,
        instead={"/path/to/": ""},
        more={"spine run my_first.yaml": "members.plain.epochs=1 members.deeper.epochs=1 evaluate.resamples=100"},
        also=("spine data build graded_discs.yaml", "spine run my_first.yaml"),
        writes=(
            "data/my_grades/splits.csv",
            "data/my_grades/notes.csv",
            "data/my_grades.build/files.csv",
            "runs/my_first/report.html",
        ),
        prints=("12 samples", "24 samples"),
    ),
    # Slurm by submitit's own processes, Ray by a cluster of this machine; tests/pipeline/jobs has several nodes.
    "docs/howto/several_machines.md": Walk(
        readers.experiment_of_folds,
        instead={
            "my_experiment": "my_folds",
            "vgg16": "plain_cnn",
            "folds=5": "folds=2",
            "executor.partition=gpu executor.gpus=1 executor.cpus=8": "executor.through=local executor.cpus=1",
            "executor.address=10.0.0.5:6379 executor.token=/path/to/auth_token executor.gpus=1": "executor.cpus=1",
            "executor.address=10.0.0.5:6379 executor.store=s3://my-bucket/spine": "executor.cpus=1 executor.store=file://far",
        },
        more={"spine train my_folds.yaml --executor ray": "name=travelled folds=0"},
        writes=(
            "runs/my_folds/plan/plan.json",
            "runs/my_folds/report.html",
            "runs/travelled/members/plain_cnn/member.json",
        ),
        prints=("until all are trained", "2 done"),
    ),
    "docs/serving.md": Walk(
        readers.picture_to_send,
        instead={"NAME": "quickstart_classification", "--host 0.0.0.0": "--host 127.0.0.1"},
        prints=('{"predictions": ',),
    ),
    "docs/tuning.md": Walk(
        readers.own_experiment,
        more={"spine tune": "tune.trials=1 members.plain_cnn.epochs=1"},
        writes=("runs/my_experiment/tune/best.yaml", "runs/my_experiment/tune/plain_cnn/summary.md"),
    ),
    "docs/tutorials/index.md": Walk(prints=("spine",)),
}
