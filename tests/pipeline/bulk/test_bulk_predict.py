"""Trees of studies answered by a model that needs no framework: whole, once, in shards, in bounded memory."""

import re
import shutil
import weakref
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipeline.bulk import parts as parts_module
from pipeline.bulk.jobs import as_job
from pipeline.bulk.loop import answer_studies
from pipeline.bulk.parts import Parts, failed_of, failures_in, warned_in
from pipeline.bulk.predict import predict
from pipeline.bulk.reading import Found, pictures_on_disk
from pipeline.bulk.shard import ALL, Shard
from pipeline.bulk.studies import Study
from pipeline.bulk.tables import Tables
from pipeline.cli import app
from pipeline.client import LocalModel, SentPicture
from spine.core.files import read_json, write_json
from spine.core.privacy import pseudonym
from spine.core.problems import Problem, SpineError
from spine.images.pictures import read_mask, write_png16
from spine.member.member import Member
from tests.pipeline.bulk.bulk_model import BulkModel, drawn

CONFIGS = Path(__file__).parents[3] / "configs"


def table(output, name="findings"):
    return pd.concat(map(pd.read_parquet, sorted(output.glob(f"parts/*/{name}.parquet"))), ignore_index=True)


def silent(line):
    pass


def test_a_row_a_finding_and_what_leads_back(model, request_of, tmp_path):
    outcome = predict(request_of(masks=True), silent)
    assert (outcome.studies, outcome.pictures, outcome.failed) == (7, 7, 0)
    found = table(tmp_path / "out").set_index("study")
    assert len(found) == 7
    row = found.loc[pseudonym("ward1/picture3.png", "S")]
    light = (1000 + (40003 - 1000) * 8 * 15 / (48 * 30)) / 65535
    assert row[["x0", "y0", "x1", "y1"]].tolist() == [1.0, 2.0, 9.0, 7.5]
    assert (row["label"], row["level"], row["picture"], row["grey"]) == ("disc", 1, 0, "dark")
    assert row["grey_probability_light"] == pytest.approx(light, rel=1e-4)
    assert row["grey_probability_dark"] == pytest.approx(1 - light, rel=1e-4)
    pictures = table(tmp_path / "out", "pictures").set_index("study")
    assert pictures.loc[row.name, ["height", "width", "pixels_disc", "findings"]].tolist() == [48, 30, 8 * 15, 1]
    mask = read_mask(tmp_path / "out/parts/part-00000" / pictures.loc[row.name, "mask"])
    np.testing.assert_array_equal(mask == 2, drawn(40003, (48, 30)) > 2**15)
    sources = pd.read_csv(tmp_path / "out/parts/part-00000/sources.csv").set_index("study")
    assert sources.loc[row.name, ["source", "file"]].tolist() == [
        "ward1/picture3.png",
        str(tmp_path / "tree/ward1/picture3.png"),
    ]
    assert not any("ward" in str(value) for value in [*found.to_numpy().ravel(), *pictures.to_numpy().ravel()])


def test_what_is_measured_has_a_table_of_its_own(model, request_of, tmp_path):
    predict(request_of(), silent)
    measured = table(tmp_path / "out", "measurements")
    expected = sum(len(model.answer(SentPicture("p", drawn(40000 + n)), 0.1).measurements.rows()) for n in range(7))
    assert len(measured) == expected > 0
    assert {"structure", "level", "name", "value", "unit", "status"} <= set(measured.columns)


def test_requests_hold_pictures_of_one_size_from_several_studies(model, request_of):
    predict(request_of(batch=3, threads=1), silent)
    assert sorted(map(len, model.asked)) == [1, 3, 3]
    assert all(len(set(sizes)) == 1 for sizes in model.asked)
    model.asked.clear()
    model.needs_one_size = False
    predict(request_of(batch=4, threads=1, masks=True, output=request_of().output.with_name("other")), silent)
    assert list(map(len, model.asked)) == [4, 3]


def test_a_second_run_does_nothing(model, request_of, monkeypatch, tmp_path):
    predict(request_of(), silent)
    before = sorted(path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.name != ".shard.lock")
    monkeypatch.setattr(LocalModel, "open", lambda directory: pytest.fail("the model was loaded"))
    told = []
    assert predict(request_of(), told.append).studies == 0
    assert told[-1] == "7 studies, 7 answered before"
    assert before == sorted(p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*") if p.name != ".shard.lock")


@pytest.mark.parametrize("end", [KeyboardInterrupt, RuntimeError])
def test_a_run_that_ended_goes_on_with_what_it_lacks(end, model, request_of, monkeypatch, tmp_path):
    monkeypatch.setattr(parts_module, "STUDIES_A_PART", 3)  # the fourth study is in a part that is open at the end
    outputs_of, asked = model.outputs_of, []

    def ends_at_the_fifth(pictures):
        asked.extend(pictures)
        if len(asked) > 4:
            raise end
        return outputs_of(pictures)

    model.outputs_of = ends_at_the_fifth
    with pytest.raises(end):
        predict(request_of(batch=1, threads=1), silent)
    kept = len(table(tmp_path / "out"))
    assert kept == 4
    model.outputs_of = outputs_of
    assert predict(request_of(), silent).studies == 7 - kept
    assert table(tmp_path / "out")["study"].is_unique
    assert len(table(tmp_path / "out")) == 7


def test_a_part_that_cannot_be_written_is_not_there(model, request_of, monkeypatch, tmp_path):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(parts_module, "_write_sources", full)
        with pytest.raises(OSError, match="No space"):
            predict(request_of(), silent)
    assert list((tmp_path / "out/parts").iterdir()) == []
    assert predict(request_of(), silent).studies == 7


def test_a_bad_study_is_listed_and_passed_over(model, request_of, tmp_path):
    (tmp_path / "tree/ward0/damaged.png").write_bytes(b"\x89PNG and no more")
    write_png16(np.zeros((40, 30), np.uint16), tmp_path / "tree/ward1/black.png")
    (tmp_path / "tree/ward2/lost.png").symlink_to(tmp_path / "nowhere.png")
    outcome = predict(request_of(), silent)
    assert (outcome.studies, outcome.failed) == (7, 3)
    failed = pd.read_csv(tmp_path / "out/failed.csv").set_index("source")
    assert sorted(failed.index) == ["ward0/damaged.png", "ward1/black.png", "ward2/lost.png"]
    assert "it is black" in failed.loc["ward1/black.png", "reason"]
    assert len(table(tmp_path / "out")) == 7  # those that shared its request, too
    for name in ("ward0/damaged.png", "ward1/black.png", "ward2/lost.png"):
        (tmp_path / "tree" / name).unlink()
        write_png16(drawn(), tmp_path / "tree" / name)
    assert predict(request_of(), silent).studies == 3
    assert not (tmp_path / "out/failed.csv").exists()


def test_what_is_worth_a_look_is_listed_with_the_part(tmp_path):
    def pictures(study):
        yield Found(SentPicture("p.png", drawn(), note="the middle"), "p.png")
        if study.source == "2":
            yield Problem("sr.dcm", "is a DICOM object without an image", "nothing", "warning")

    parts = Parts(tmp_path, ALL, Tables(BulkModel.description, "1"))
    outcome = answer_studies(BulkModel(), [Study("1"), Study("2")], pictures, parts)
    assert (outcome.studies, outcome.warned) == (2, 1)
    assert warned_in(tmp_path) == {Study("2").name}
    warnings = pd.read_csv(tmp_path / "parts/part-00000/warnings.csv", dtype=str)
    assert warnings[["source", "path"]].to_numpy().tolist() == [["2", "sr.dcm"]]
    assert pd.read_csv(tmp_path / "parts/part-00000/sources.csv")["note"].tolist() == ["the middle"] * 2


def test_what_threads_have_open_is_closed_where_a_run_ends(tmp_path):
    opened, closed = [], []

    def pictures(study):
        opened.append(study)
        try:
            for number in range(50):
                yield Found(SentPicture(f"{number}.png", drawn()), f"{number}.png")
        finally:
            closed.append(study)

    class Interrupted(BulkModel):
        def outputs_of(self, pictures):
            raise KeyboardInterrupt

    parts = Parts(tmp_path, ALL, Tables(BulkModel.description, "1"))
    with pytest.raises(KeyboardInterrupt):
        answer_studies(Interrupted(), map(Study, "abcd"), pictures, parts, threads=2)
    assert len(opened) == len(closed) == 2


def test_shards_merge_by_living_in_one_directory(model, request_of, tmp_path):
    for number in (3, 1, 2):
        predict(request_of(shard=Shard(number, 3)), silent)
    assert sorted(table(tmp_path / "out")["study"]) == sorted(
        pseudonym(f"ward{n // 2}/picture{n}.png", "S") for n in range(7)
    )
    told = []
    predict(request_of(), told.append)
    assert told[-1] == "7 studies, 7 answered before"


def test_each_study_is_in_one_shard_on_every_machine():
    sources = [f"1.2.{number}" for number in range(4000)]
    shards = [[source for source in sources if Shard(number, 4).holds(source)] for number in range(1, 5)]
    assert sorted(chain(*shards)) == sorted(sources)
    assert all(900 < len(shard) < 1100 for shard in shards)  # 1000, give or take 3.6 standard deviations
    assert shards[0][:2] == ["1.2.0", "1.2.1"]  # by `sha256sum`, whose first 16 digits end in 4 and 8


def test_each_item_of_a_list_is_in_one_shard():
    assert [list("abcde")[Shard(number, 3).every] for number in (1, 2, 3)] == [["a", "d"], ["b", "e"], ["c"]]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "-1/4", "a/b"])
def test_what_is_no_shard_is_told(text):
    with pytest.raises(SpineError, match="give I/N"):
        Shard.of(text)


def test_answers_of_another_model_are_not_mixed_in(model, request_of, tmp_path):
    predict(request_of(), silent)
    with pytest.raises(SpineError, match="slices 1 where this run has 3"):
        predict(request_of(slices=3), silent)


def test_answers_of_another_folder_are_not_taken_for_those_of_this_one(model, request_of, tmp_path):
    """Files of two trees may be called alike, and so would be their studies."""
    request = request_of()
    predict(request, silent)
    shutil.copytree(request.studies, tmp_path / "elsewhere" / "studies")
    with pytest.raises(SpineError, match=r"holds answers with studies_from .* give another --output"):
        predict(replace(request, studies=str(tmp_path / "elsewhere" / "studies")), silent)
    about = read_json(request.output / "answers.json")
    write_json({key: value for key, value in about.items() if key != "studies_from"}, request.output / "answers.json")
    predict(request, silent)  # an older version did not note it


def test_a_study_may_have_relative_and_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        write_png16(drawn(), tmp_path / name)
    study = Study("s", ("a.png", str(tmp_path / "b.png")))
    found = list(pictures_on_disk(study, None, False))
    assert [Path(one.path).name for one in found] == ["a.png", "b.png"]


def test_a_study_with_several_problems_failed_once(tmp_path):
    failed = failed_of(tmp_path, Shard.of("1/1"))
    failed.parent.mkdir(parents=True, exist_ok=True)
    failed.write_text("study,source,path,reason,advice\na,x,1,r,d\na,x,2,r,d\nb,y,1,r,d\n")
    assert failures_in(tmp_path, Shard.of("1/1")) == 2


def test_one_process_at_a_time_is_at_work_on_a_shard(model, request_of, tmp_path):
    with as_job(request_of()), pytest.raises(SpineError, match="is being written by process"), as_job(request_of()):
        pass
    with as_job(request_of(shard=Shard(1, 2))), as_job(request_of(shard=Shard(2, 2))):
        pass


def test_memory_does_not_grow_with_the_studies(tmp_path):
    alive, most = [0], [0]

    def gone():
        alive[0] -= 1

    def pictures(study):
        for number in range(5):
            picture = SentPicture(f"{number}.png", drawn())
            alive[0] += 1
            most[0] = max(most[0], alive[0])
            weakref.finalize(picture, gone)
            yield Found(picture, f"{number}.png")

    parts = Parts(tmp_path, ALL, Tables(BulkModel.description, "1"), studies_a_part=5)
    outcome = answer_studies(
        BulkModel(), (Study(str(number)) for number in range(30)), pictures, parts, batch=4, threads=3
    )
    assert outcome.pictures == 150
    assert len(list((tmp_path / "parts").iterdir())) >= 4  # of five studies, or a few more
    waiting, in_batches, in_threads, asked = 2 * 4, 4 * 4, 3 * 2, 4 * 4 + 2  # a thread has its last and its next
    assert 8 <= most[0] <= waiting + in_batches + in_threads + asked


def test_a_reason_does_not_keep_others_and_a_defect_is_raised(tmp_path):
    def pictures(study):
        if study.source == "7":
            raise ValueError("a defect")
        yield Problem(study.source, "is damaged", "copy it again")

    parts = Parts(tmp_path, ALL, Tables(BulkModel.description, "1"))
    assert answer_studies(BulkModel(), [Study("1"), Study("2")], pictures, parts).failed == 2
    with pytest.raises(ValueError, match="a defect"):
        answer_studies(BulkModel(), [Study("1"), Study("7"), Study("2")], pictures, parts)


def test_the_command_says_what_came_of_it(model, request_of, tmp_path):
    command = [
        "predict",
        str(tmp_path / "bulk"),
        "--studies",
        str(tmp_path / "tree"),
        "--output",
        str(tmp_path / "out"),
    ]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "7 of 7 studies answered, 7 pictures" in done.output
    assert str(tmp_path / "out") in done.stdout
    assert "nothing was left to answer" in CliRunner().invoke(app, command).output
    (tmp_path / "tree/damaged.png").write_bytes(b"\x89PNG and no more")
    failed = CliRunner().invoke(app, command)
    assert failed.exit_code == 1
    assert "1 of 1 study could not be answered" in str(failed.exception)
    assert "damaged" not in failed.output


def test_the_command_counts_studies_with_warnings(monkeypatch, model, request_of, tmp_path):
    def read(study, slices, neighbours):
        yield from pictures_on_disk(study, slices, neighbours)
        yield Problem(study.source, "is worth a look", "look", "warning")

    monkeypatch.setattr("pipeline.bulk.predict.pictures_on_disk", read)
    write_png16(drawn(), tmp_path / "one/only.png")
    command = ["predict", str(request_of().model), "--studies", str(tmp_path / "one"), "-o", str(tmp_path / "out")]
    told = CliRunner().invoke(app, command).output
    assert "1 study, 0 answered before" in told
    assert "1 of 1 study answered, 1 picture\n" in told
    assert "1 answered study has warnings; " in told


def test_masks_of_a_model_without_masks_are_refused_before_anything_is_written(model, request_of, tmp_path):
    own = request_of()
    card = Member.open(own.model).card
    Member.publish(own.model, card.model_copy(update={"task": "detection", "details": {}}))
    with pytest.raises(SpineError, match="a model of detection that gives no mask; leave out --masks"):
        predict(request_of(masks=True), silent)
    assert not (tmp_path / "out").exists()
    assert predict(own, silent).studies == 7


@pytest.mark.parametrize(
    ("file", "advice"),
    [
        ("quickstart/detection.yaml", "run `spine run {0}`, or, where its members .*, `spine export {0}`"),
        ("cases/quickstart.yaml", "run `spine export {0}`"),
    ],
)
def test_what_has_no_model_yet_tells_what_makes_one(monkeypatch, tmp_path, file, advice):
    monkeypatch.chdir(tmp_path)  # where nothing was run
    path = CONFIGS / file
    told = CliRunner().invoke(app, ["predict", str(path), "--studies", str(tmp_path), "-o", str(tmp_path / "out")])
    assert told.exit_code == 1
    assert re.search(f"{path} has no model in .* yet; {advice.format(path)}$", str(told.exception))
