"""The commands of README and docs, typed in order as a reader would, after the quickstart has run; and why others are
not.

A walk is a page's. Each line is run as it stands, but for what `instead` of the walk puts in place of what the reader
chooses (a path, a name, a port) and what `more` appends to make it small. Nothing of full size is trained.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import yaml

from tests.pages import ROOT, blocks, steps

SERVERS = ("spine serve configs", "spine demo")  # they answer until they are ended
NOT_RUN = {  # a page, or how a line begins -> why it is not run
    "docs/papers.md": "tests of packs run them, tests/pipeline/papers",
    "CONTRIBUTING.md": "it sets up an environment, and runs this",
    "docs/demo.md": "README.md has its line, and configs/papers takes a run of real images",
    "docs/pacs.md": "it takes an archive; tests/pipeline/pacs runs them against Orthanc",
    "docs/design.md": "it names a command",
    "docs/howto/several_machines.md": "it takes GPUs or a cluster; tests/pipeline/jobs",
    "git clone": "this is the clone",
    "scripts/quickstart": "it sets up an environment, and then runs what tests/test_quickstart.py runs",
    "scripts/environment": "it installs packages, and these tests run in what it makes",
    "scripts/test": "it runs this",
    "scripts/check": "it runs this",
    "source .venv/bin/activate": "it is of the reader's shell",
    "spine run configs/spider": "it trains for hours, on real images",
    "spine run configs/quickstart/classification.yaml": "it trains for minutes; test_docs_commands.py reads its overrides",
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
    python: bool = False  # whether its blocks of Python are run too
    writes: tuple[str, ...] = ()  # files, by pattern
    prints: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()  # files of models that another page has told to serve


def walk(name: str, folder: Path) -> str:
    """Run the lines of a page in `folder`, in which the quickstart has run; gives all that they print."""
    page, told = WALKED[name], []
    page.prepare(folder)
    ports = {"8501": str(free_port()), "8500": str(free_port())}
    with contextlib.ExitStack() as running:
        if page.serves:
            running.enter_context(serving(" ".join(["spine serve", *page.serves]), folder, ports))
        for kind, step in dict.fromkeys([*steps(ROOT / name), *(("shell", line) for line in page.also)]):
            if (kind == "python" and not page.python) or (kind == "shell" and reason(name, step)):
                continue
            line = adapted(step, {**page.instead, **ports}, page.more)
            if line.startswith(SERVERS):
                running.pop_all().close()  # one at a time
                running.enter_context(serving(line, folder, ports))
            else:
                told.append(typed(line if kind == "shell" else f"python -W error - <<'END'\n{line}END", folder))
    assert (lacks := [pattern for pattern in page.writes if not list(folder.glob(pattern))]) == [], lacks
    assert (lacks := [words for words in page.prints if words not in "".join(told)]) == [], (lacks, told)
    return "\n".join(told)


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
        (programs / "python").symlink_to(sys.executable)
        (programs / "spine").write_text(f"#!{sys.executable}\nfrom pipeline.cli import main\n\nmain()\n")
        (programs / "spine").chmod(0o755)
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
        command = ["bash", "-c", f"exec {line}"]
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


# What the reader of a page has.


def own_experiment(folder: Path) -> None:
    """my_experiment.yaml: two of the quickstart's classifiers, with the `about` and the `tune` of the pages. They are
    copied, for what is trained with the same settings and data is not trained again.
    """
    (about,) = [yaml.safe_load(block) for block in blocks(ROOT / "docs/documents.md", "yaml")]
    tune = yaml.safe_load(blocks(ROOT / "docs/tuning.md", "yaml")[0])
    quickstart = {"extends": "configs/quickstart/classification.yaml", "name": "my_experiment"}
    fewer = {"members": {"squeezenet": None, "mobilenet": None}}
    (folder / "my_experiment.yaml").write_text(yaml.safe_dump({**quickstart, **fewer, **about, **tune}))
    for member in ("plain_cnn", "deeper_cnn"):
        trained = folder / "runs/quickstart_classification/members" / member
        shutil.copytree(trained, folder / "runs/my_experiment/members" / member, dirs_exist_ok=True)


def readers_files(folder: Path) -> None:
    """A data config, copied and edited, and an experiment."""
    config = (ROOT / "configs/data/phantom_boxes.yaml").read_text()
    (folder / "my_data.yaml").write_text(config.replace("phantom_boxes", "my_data"))
    own_experiment(folder)


def foreign_experiment(folder: Path) -> None:
    """experiment.yaml, with the external member of the page."""
    own_experiment(folder)
    own = {"extends": "my_experiment.yaml", "name": "with_logistic", "search": {"resamples": 20}}
    (folder / "experiment.yaml").write_text(yaml.safe_dump({**own, "members": {"logistic": {"foreign": True}}}))
    shutil.copytree(folder / "runs/my_experiment/members", folder / "runs/with_logistic/members", dirs_exist_ok=True)


def few_studies(target: Path, folder: Path, patients: int) -> None:
    for study in sorted((folder / "data/phantom/studies").iterdir())[:patients]:
        shutil.copytree(study, target / study.name, dirs_exist_ok=True)


def own_dicom(folder: Path) -> None:
    """Studies, the data config of the page, and the table that it reads."""
    few_studies(folder / "studies", folder, 12)
    (config,) = blocks(ROOT / "docs/howto/own_dicom.md", "yaml")
    (folder / "my_grades.yaml").write_text(config.replace("/path/to/", ""))
    studies = sorted(study.name for study in (folder / "studies").iterdir())
    rows = ["file,pfirrmann", *(f"{name}/t2/IM0001.dcm,{2 + number % 4}" for number, name in enumerate(studies))]
    (folder / "grades.csv").write_text("\n".join(rows) + "\n")


def pictures_to_send(folder: Path) -> None:
    few_studies(folder / "scans", folder, 1)
    shutil.make_archive(str(folder / "study"), "zip", folder / "data/phantom/studies/ph002")


def picture_to_send(folder: Path) -> None:
    picture = next((folder / "data/phantom_discs/images").rglob("*.png"))
    shutil.copyfile(picture, folder / "picture.png")


def boxes_to_crop(folder: Path) -> None:
    for own, quickstart in (
        ("data/my_boxes", "data/phantom_boxes"),
        ("runs/my_detection", "runs/quickstart_detection"),
    ):
        (folder / own).symlink_to((folder / quickstart).resolve())


WALKED = {
    "README.md": Walk(
        readers_files,
        more={"spine run my_experiment": "search.resamples=20 evaluate.resamples=100"},
        writes=("answers/**/*.json", "answers/**/*.dicom/report.dcm", "runs/my_experiment/report.html"),
    ),
    "docs/cases.md": Walk(writes=("runs/quickstart_case/evaluation.json",)),
    "docs/client.md": Walk(
        pictures_to_send,
        more={"spine serve check": "--most 4"},
        python=True,
        writes=("answers/findings.csv", "answers/measurements.csv"),
        prints=('"findings"', "scans/"),
        serves=("configs/cases/quickstart.yaml", "configs/quickstart/classification.yaml"),
    ),
    "docs/data.md": Walk(
        boxes_to_crop,
        instead={"members/vgg16": "members/resnet18", "DIR": "exported"},
        writes=("data/my_discs_detected/missed.csv", "exported/train.tfrecord-00003-of-00004"),
    ),
    "docs/documents.md": Walk(
        also=("grep -l 'A. Author' runs/my_experiment/*.md",), prints=("model_card.md", "claim_2024.md")
    ),
    "docs/editors.md": Walk(writes=("experiment.schema.json", "data.schema.json", "case.schema.json")),
    "docs/foreign_members.md": Walk(
        foreign_experiment,
        instead={"EXPERIMENT": "experiment.yaml"},
        also=("spine search experiment.yaml", "spine evaluate experiment.yaml"),
        python=True,
        prints=("logistic",),
    ),
    "docs/howto/add_a_backbone.md": Walk(
        more={"spine train": "name=backbone"}, writes=("runs/backbone/members/plain_cnn/model/1",)
    ),
    "docs/howto/own_dicom.md": Walk(
        own_dicom, instead={"/path/to/": ""}, writes=("data/my_grades/splits.csv", "data/my_grades/notes.csv")
    ),
    "docs/serving.md": Walk(
        picture_to_send,
        instead={"NAME": "quickstart_classification", "--host 0.0.0.0": "--host 127.0.0.1"},
        prints=('{"predictions": ',),
    ),
    "docs/tuning.md": Walk(
        own_experiment,
        more={"spine tune": "tune.trials=1 members.plain_cnn.epochs=1"},
        writes=("runs/my_experiment/tune/best.yaml", "runs/my_experiment/tune/plain_cnn/summary.md"),
    ),
    "docs/tutorials/index.md": Walk(prints=("spine",)),
}
