"""What can be served, and by which names."""

from pathlib import Path

import pytest
import yaml

from ensemble.serving.kit.configs import models_config
from ensemble.serving.kit.versions import Served
from pipeline.server import Source, sources_of
from pipeline.server.version_policy import read_policy
from spine.core.problems import SpineError
from spine.member.member import Card, Member

ROOT = Path(__file__).resolve().parents[3]


def exported(directory: Path) -> Path:
    """A directory as an export leaves it, as far as names go."""
    (directory / "model" / "1").mkdir(parents=True)
    Member.publish(directory, Card(name=f"member {directory.name}", task="classification", labels=("a",)))
    return directory


def experiment(folder: Path, name: str, **changes) -> tuple[Path, Path]:
    """An experiment file, and where its ensemble lies."""
    raw = yaml.safe_load((ROOT / "configs" / "spider_degeneration.yaml").read_text())
    raw.pop("build", None)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**raw, "name": name, "runs": str(folder / "runs"), **changes}))
    return path, folder / "runs" / name / "ensembles" / raw.get("search", {}).get("name", "weighted")


@pytest.fixture
def ensembles(tmp_path):
    """Two experiment files with exported ensembles, the second served by a name of its own."""
    first, second = experiment(tmp_path, "one"), experiment(tmp_path, "two", export={"name": "other"})
    return [(path, exported(directory)) for path, directory in (first, second)]


def test_experiments_and_a_study_of_them(ensembles, tmp_path):
    expected = [Source("one", ensembles[0][1]), Source("other", ensembles[1][1])]
    assert sources_of([path for path, _ in ensembles]) == expected
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump({"experiments": [str(path) for path, _ in ensembles]}))
    assert sources_of([study, ensembles[0][0]]) == expected


def test_a_case(tmp_path):
    path = tmp_path / "case.yaml"
    parts = {"detector": str(tmp_path / "d"), "grades": {"g": str(tmp_path / "g")}}
    path.write_text(yaml.safe_dump({"name": "lumbar", "runs": str(tmp_path / "runs"), **parts}))
    directory = exported(tmp_path / "runs" / "lumbar")
    assert sources_of([path]) == [Source("lumbar", directory)]


def test_a_run_s_directory_is_its_ensemble(ensembles, tmp_path):
    assert [one.directory for one in sources_of([tmp_path / "runs" / "one"])] == [ensembles[0][1]]
    exported(tmp_path / "runs" / "one" / "ensembles" / "second")
    with pytest.raises(SpineError, match=r"has several ensembles; name one of them: .*second, .*weighted"):
        sources_of([tmp_path / "runs" / "one"])


def test_a_directory_has_the_name_of_its_member_as_a_url_holds_it(tmp_path):
    assert sources_of([exported(tmp_path / "m")]) == [Source("member_m", tmp_path / "m")]


def test_what_was_exported_under_a_name_is_served_by_that(tmp_path):
    """As TF Serving serves it, so that labels of versions hold."""
    directory = exported(tmp_path / "m")
    (directory / "models.config").write_text(models_config("public", Served(stable=1, canary=2, loaded=2)))
    assert sources_of([directory]) == [Source("public", directory)]
    assert read_policy(directory, "public").labels == {"stable": 1, "canary": 2}
    path = tmp_path / "case.yaml"
    parts = {"detector": str(tmp_path / "d"), "grades": {"g": str(tmp_path / "g")}, "export": {"name": "other"}}
    path.write_text(yaml.safe_dump({"name": "lumbar", "runs": str(tmp_path / "runs"), **parts}))
    case = exported(tmp_path / "runs" / "lumbar")
    assert sources_of([path]) == [Source("other", case)]


def test_what_is_not_exported_names_the_command(tmp_path):
    path, directory = experiment(tmp_path, "one")
    with pytest.raises(SpineError, match=f"{directory} holds no model yet; run `spine export {path}` first"):
        sources_of([path])


def test_two_of_one_name(ensembles, tmp_path):
    again, directory = experiment(tmp_path, "three", export={"name": "one"})
    exported(directory)
    with pytest.raises(SpineError, match="would both be served as 'one'; give one of them another name"):
        sources_of([ensembles[0][0], again])
