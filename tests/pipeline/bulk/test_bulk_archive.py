"""Studies of a DICOMweb archive, each pulled while it is read."""

import pandas as pd
import pytest
from pydicom import dcmread

from pipeline.bulk.archive import ArchivedStudies
from pipeline.bulk.predict import predict
from pipeline.bulk.reading import SourceLostError
from pipeline.pacs.address import Address
from spine.core.privacy import pseudonym
from spine.core.problems import SpineError
from spine.phantom import PhantomSettings, generate
from tests.pipeline.pacs.fake_archive import running_fake, send


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """Two patients of one study each."""
    settings = PhantomSettings(patients=2, size=(128, 128), slices=(3,), distractors=0, t2star=0)
    return generate(settings, tmp_path_factory.mktemp("phantom") / "phantom") / "studies"


@pytest.fixture
def archive(phantom):
    with running_fake() as archive:
        for path in sorted(phantom.rglob("*.dcm")):
            archive.add(path)
        yield archive


@pytest.mark.usefixtures("signed_in_by_environment")
def test_studies_of_orthanc_are_answered_as_those_of_a_folder(orthanc, phantom, model, request_of, tmp_path):
    orthanc.upload(phantom)
    assert_as_of_a_folder(orthanc.web, phantom, request_of, tmp_path)


def test_its_studies_are_answered_as_those_of_a_folder(archive, phantom, model, request_of, tmp_path):
    assert_as_of_a_folder(archive.url, phantom, request_of, tmp_path)


def assert_as_of_a_folder(url, phantom, request_of, tmp_path):
    pulled = predict(request_of(studies=url, output=tmp_path / "pulled"), lambda line: None)
    predict(request_of(studies=str(phantom), output=tmp_path / "read"), lambda line: None)
    assert (pulled.studies, pulled.pictures, pulled.failed) == (2, 2, 0)
    tables = [
        pd.concat(map(pd.read_parquet, (tmp_path / name).glob("parts/*/findings.parquet"))).sort_values("study")
        for name in ("pulled", "read")
    ]
    pd.testing.assert_frame_equal(*(table.reset_index(drop=True) for table in tables))


def test_what_leads_back_is_the_image_s_own_uid(archive, phantom, model, request_of, tmp_path):
    predict(request_of(studies=archive.url, slices=3), lambda line: None)
    sources = pd.read_csv(tmp_path / "out/parts/part-00000/sources.csv", dtype=str)
    headers = {str(one.SOPInstanceUID): one for one in map(dcmread, phantom.rglob("*.dcm"))}
    assert len(sources) == 6
    for row in sources.itertuples():
        series, uid = row.file.split("/")
        assert (headers[uid].StudyInstanceUID, headers[uid].SeriesInstanceUID) == (row.source, series)
        assert row.study == pseudonym(row.source, "S")


def test_a_study_that_cannot_be_had_is_listed_without_the_place_where_it_lay(archive, model, request_of, tmp_path):
    lost = archive.listed[0]["00080018"]["Value"][0]
    archive.faults.append(lambda request: lost in request.path and send(request, 500, {}))
    outcome = predict(request_of(studies=archive.url), lambda line: None)
    assert (outcome.studies, outcome.failed) == (1, 1)
    failed = pd.read_csv(tmp_path / "out/failed.csv", dtype=str)
    assert failed["source"].tolist() == [archive.listed[0]["0020000D"]["Value"][0]]
    assert "answers 500" in failed["reason"][0]
    assert failed["path"][0].endswith(f"/{lost}")
    assert "spine-bulk-" not in (tmp_path / "out/failed.csv").read_text()


def test_studies_that_are_too_large_fail_alone(archive, monkeypatch):
    monkeypatch.setattr("pipeline.bulk.archive.MOST_BYTES", 5000)
    studies = ArchivedStudies(Address(archive.url))
    listed = studies.list()
    for _ in range(7):
        with pytest.raises(SpineError, match=r"more than .* GiB, which a study may have here") as raised:
            list(studies.pictures(listed[0], 1, False))
        assert not isinstance(raised.value, SourceLostError)


def test_a_server_may_give_fewer_at_once_than_it_is_asked_for(archive, monkeypatch):
    monkeypatch.setattr("tests.pipeline.pacs.fake_archive.MOST_AT_ONCE", 1)
    studies = ArchivedStudies(Address(archive.url))
    listed = studies.list()
    assert len(listed) == 2
    found = list(studies.pictures(listed[0], None, False))
    assert len(found) == sum(one["0020000D"]["Value"] == [listed[0].source] for one in archive.listed) > 1


def test_an_archive_that_is_gone_ends_the_run(archive):
    studies = ArchivedStudies(Address(archive.url))
    listed = studies.list()
    archive.faults.append(lambda request: send(request, 401, {}))
    for attempt in range(5):
        with pytest.raises(SourceLostError if attempt == 4 else Exception, match="refuses"):
            list(studies.pictures(listed[0], 1, False))
