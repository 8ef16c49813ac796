"""`spine pacs` as it is called: a model in this process and served, what it says, and its exit status."""

import io
from importlib import import_module

import numpy as np
import pytest
from highdicom.seg import segread
from pydicom import dcmread
from typer.testing import CliRunner

from ensemble.case.export import export_case
from pipeline import cli
from pipeline.client import RemoteModel
from pipeline.server import Server, Source
from spine.core.problems import SpineError
from spine.images.dicom.write import MRSeries, write_mr_series
from tests.case_on_disk import LEVELS, PIXELS, NearestLevel, scan, write_case, write_member

SIZE, REGION, DISCS = (100, 80), (10, 10, 60, 90), ((20, 20, 50, 28), (22, 60, 52, 70))


@pytest.fixture(scope="module")
def member(tmp_path_factory):
    """A segmentation that outlines by grey level."""
    return write_member(tmp_path_factory.mktemp("member") / "levels", "segmentation", PIXELS, NearestLevel(60.0))


@pytest.fixture
def study(orthanc, tmp_path):
    """The UID of a study with one sagittal series, whose middle slice shows two discs."""
    picture = scan(*SIZE, REGION, *DISCS)
    series = MRSeries("Doe^Jane", "1", 3, "T2 sag", (-4.0, -40.0, 50.0), window=(32767.5, 65535.0))
    files = write_mr_series(np.stack([picture // 4, picture, picture // 2]), series, tmp_path / "study")
    orthanc.upload(tmp_path / "study")
    return str(dcmread(files[0]).StudyInstanceUID)


@pytest.fixture
def spine(orthanc, signed_in_by_environment):
    return lambda *words: CliRunner().invoke(cli.app, ["pacs", orthanc.web, *map(str, words)])


def mask_in(orthanc):
    """The mask that is stored as a segmentation, as its source's pixels."""
    (series,) = [one for one in orthanc.ask("/series?expand") if one["MainDicomTags"]["Modality"] == "SEG"]
    mask = segread(io.BytesIO(orthanc.file(series["Instances"][0])))
    source = mask.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
    return mask.get_pixels_by_source_instance([source], combine_segments=True)[0]


def test_a_study_is_answered_once(orthanc, spine, study, member):
    done = spine("--study", study, "--model", member)
    assert done.exit_code == 0, done.output
    assert "not for diagnosis" in done.output
    assert "1 answered, 0 with results already, 3 results stored, no problems" in done.output
    for secret in ("Doe", "Jane", study, "2020"):
        assert secret not in done.output
    true = np.abs(scan(*SIZE, REGION, *DISCS)[..., None] / 65535 - LEVELS).argmin(axis=-1)
    np.testing.assert_array_equal(mask_in(orthanc), true)
    before = orthanc.uids()
    done = spine("--study", study, "--model", member)
    assert done.exit_code == 0, done.output
    assert "0 answered, 1 with results already, 0 results stored" in done.output
    assert orthanc.uids() == before


@pytest.mark.slow
def test_a_case_answers_alike_in_this_process_and_served(orthanc, spine, study, tmp_path):
    settings = write_case(tmp_path / "case")
    export_case(settings, lambda path: None)
    with Server([Source("lumbar", settings.directory)], rest_port=0) as server:
        served = ("--server", f"{server.rest_url}/v1/models/lumbar")
        for words, stored in ((served, 3), (("--model", settings.directory), 0), ((*served, "--again"), 3)):
            done = spine("--study", study, *words)
            assert done.exit_code == 0, done.output
            assert f"{stored} results stored, no problems" in done.output
    (one, other) = [dcmread(io.BytesIO(report)) for report in reports(orthanc)]
    assert one.SOPInstanceUID != other.SOPInstanceUID
    boxes = [group for group in groups_of(one) if "box" in str(group)]
    assert len(boxes) >= len(DISCS)


def groups_of(report):
    """The measurement groups of a report."""
    (measurements,) = [
        item.ContentSequence
        for item in report.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeMeaning == "Imaging Measurements"
    ]
    return measurements


def reports(orthanc):
    of_series = [one for one in orthanc.ask("/series?expand") if one["MainDicomTags"]["Modality"] == "SR"]
    return [orthanc.file(uid) for one in of_series for uid in one["Instances"]]


def test_a_bad_image_is_in_the_exit_status(orthanc, spine, study, member, tmp_path):
    one = dcmread(next((tmp_path / "study").glob("*.dcm")))
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5.6.7"
    one.SeriesInstanceUID, one.PixelData = "1.2.3.4.5.6", one.PixelData[:1000]
    (tmp_path / "bad").mkdir()
    one.save_as(tmp_path / "bad" / "bad.dcm")
    orthanc.upload(tmp_path / "bad")
    done = spine("--study", study, "--model", member)
    assert done.exit_code == 1
    assert "3 results stored, 1 error" in done.output
    assert "truncated" in done.output


@pytest.mark.parametrize(("server", "warned"), [("http://10.0.0.1:8501", True), ("https://10.0.0.1", False)])
def test_a_server_that_is_asked_in_the_open_is_told(server, warned, monkeypatch, capsys):
    monkeypatch.setattr(RemoteModel, "open", lambda url, token: url)
    import_module("pipeline.cli.pacs")._opened(None, f"{server}/v1/models/m", None)
    assert ("travel unencrypted" in capsys.readouterr().err) == warned


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--study UID, or --watch SECONDS"),
        (["--study", "1.2", "--watch", "5"], "--study UID, or --watch SECONDS"),
        (["--study", "1.2"], "--model DIRECTORY .* or --server URL"),
        (["--study", "1.2", "--model", "x", "--server", "http://127.0.0.1"], "--model DIRECTORY .* or --server URL"),
        (["--study", "1.2", "--model", "x", "--series", "../x"], r"'\.\./x' is no DICOM UID"),
        (["--study", "1.2", "--model", "x"], "x is not a member"),  # told before the archive is asked
        (["--study", "1.2", "--server", "http://127.0.0.1:9/v1/models/m"], "dicom-web.* cannot be reached"),
        (["--study", "1.2", "--model", "x", "--credentials", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_what_cannot_be_meant(words, message):
    done = CliRunner().invoke(cli.app, ["pacs", "http://127.0.0.1:9/dicom-web", *words])
    assert isinstance(done.exception, SpineError)
    with pytest.raises(SpineError, match=message):
        raise done.exception
