"""What goes wrong between us and an archive ends in a sentence, and leaves nothing half done."""

import errno
import gzip
from io import BytesIO

import pytest
from pydicom import dcmread

from pipeline.pacs import archive as archive_module
from pipeline.pacs import bounded
from pipeline.pacs.address import Address, Credentials
from pipeline.pacs.archive import Archive
from pipeline.pacs.study import Request, answer_study
from spine.core.problems import SpineError
from tests.pipeline.pacs.fake_archive import running_fake, send

STUDY = "1.2.3"


@pytest.fixture
def fake():
    with running_fake() as archive:
        yield archive


@pytest.fixture
def filled(fake, phantom):
    for path in sorted((phantom / "ph001" / "t2").glob("*.dcm")):
        fake.add(path)
    return fake


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(bounded, "_RETRY", bounded._RETRY.new(backoff_factor=0))


def asking(fake, most=2**24, **credentials):
    return Archive(Address(fake.url, Credentials(**credentials)), most)


def run(fake, model, told, **options):
    with asking(fake, **options) as archive:
        return answer_study(archive, STUDY, model, Request(), told.append)


def on(command, ending, answer):
    """A fault of one kind of request."""
    return lambda request: (
        request.command == command and request.path.partition("?")[0].endswith(ending) and answer(request)
    )


def failed(*of):
    items = [{"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [why]}} for uid, why in of]
    return {"00081198": {"vr": "SQ", "Value": items}}


def test_all_is_well_with_a_whole_archive(filled, model, told):
    outcome = run(filled, model, told)
    assert (outcome.stored, outcome.problems) == (3, [])
    assert filled.stored[0].count(b"Content-Type: application/dicom\r\n") == 3


def test_a_server_that_is_down(fake, model, told):
    with pytest.raises(SpineError, match=r"cannot be reached .*check the address"):
        Archive(Address("http://127.0.0.1:9/dicom-web"), 2**20).instances(STUDY, 10)


@pytest.mark.parametrize("status", [401, 403])
def test_credentials_that_are_refused(fake, model, told, status):
    fake.faults.append(lambda request: send(request, status))
    with pytest.raises(SpineError, match=rf"refuses .* to these credentials \({status}\); set SPINE_PACS_USER"):
        run(fake, model, told)


def test_a_token_goes_with_every_request(filled, model, told):
    run(filled, model, told, token="abc")
    assert len(filled.asked) == 6  # the list of images twice: until there is nothing new
    assert {headers["Authorization"] for _, _, headers in filled.asked} == {"Bearer abc"}


def test_a_study_that_is_not_there(fake, model, told):
    fake.faults.append(lambda request: send(request, 404))
    with pytest.raises(SpineError, match="no study of this UID"):
        run(fake, model, told)


def test_a_page_that_is_no_archive(fake, model, told):
    fake.faults.append(lambda request: send(request, 200, b"<html>welcome</html>", "text/html"))
    with pytest.raises(SpineError, match=r"no DICOMweb .*root of its DICOMweb"):
        run(fake, model, told)


@pytest.mark.parametrize("odd", [[1, 2], {"00080018": "x"}, [{"00080018": {"Value": 7}}], "words"])
def test_json_of_another_shape(fake, model, told, odd):
    fake.faults.append(lambda request: send(request, 200, odd))
    with pytest.raises(SpineError, match=r"no DICOMweb|no study"):
        run(fake, model, told)


def test_other_hosts_are_not_asked_and_learn_no_password(fake, model, told):
    with running_fake() as other:
        fake.faults.append(lambda request: send(request, 302, Location=f"{other.url}/studies"))
        with pytest.raises(SpineError, match=r"sends us on to http://127\.0\.0\.1:\d+, which was not asked for"):
            run(fake, model, told, user="u", password="p")
        assert other.asked == []


def test_another_place_of_the_same_host_is_followed(filled, model, told):
    def moved(request):
        if not request.path.startswith("/dicom-web/moved"):
            return send(request, 307, Location=request.path.replace("/dicom-web", "/dicom-web/moved"))
        return False

    filled.faults.append(lambda request: request.command == "GET" and moved(request))
    assert run(filled, model, told).stored == 3


def test_results_are_not_lost_in_a_redirect(filled, model, told):
    filled.faults.append(on("POST", "", lambda request: send(request, 302, Location="/dicom-web/other")))
    with pytest.raises(SpineError, match="stores elsewhere"):
        run(filled, model, told)


def test_a_transfer_that_breaks_off_answers_nothing(filled, model, told):
    last = list(filled.files)[-1]

    def break_off(request):
        return send(request, 200, filled.files[last][:5000], "multipart/related; boundary=x", stated=90_000)

    filled.faults.append(on("GET", last, break_off))
    with pytest.raises(SpineError, match="broke off while it sent an image; run the same command again"):
        run(filled, model, told)
    assert (model.asked, filled.stored) == (0, [])


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: send(request, 500),
        lambda request: send(request, 404),
        lambda request: send(request, 200, b"\0" * 999, "application/dicom"),
        lambda request: send(request, 200, b"--x\r\n\r\nno dicom\r\n--x--", "multipart/related; boundary=x"),
        lambda request: send(request, 200, b"", "multipart/related; boundary=x"),
    ],
)
def test_one_image_that_cannot_be_had(filled, model, told, answer):
    filled.faults.append(on("GET", next(iter(filled.files)), answer))
    outcome = run(filled, model, told)
    assert outcome.stored == 3
    assert [one.severity for one in outcome.problems].count("error") == 1


def test_a_busy_server_is_asked_again(filled, model, told):
    busy = [503, 429]
    filled.faults.append(lambda request: bool(busy) and send(request, busy.pop(), Retry_After="86400"))
    assert run(filled, model, told).stored == 3


def test_a_server_that_stays_busy(fake, model, told):
    fake.faults.append(lambda request: send(request, 503))
    with pytest.raises(SpineError, match="answers 503"):
        run(fake, model, told)
    assert len(fake.asked) == 3


def test_results_that_are_refused_in_part(filled, model, told):
    filled.faults.append(on("POST", "", lambda request: send(request, 202, failed((uid_of(request), 0xC000)))))
    outcome = run(filled, model, told)
    assert (outcome.answered, outcome.stored) == (1, 2)
    (problem,) = outcome.problems
    assert problem.reason == "the archive refused SEG for reason 49152"


def test_results_that_are_all_refused(filled, model, told):
    filled.faults.append(
        on("POST", "", lambda request: send(request, 409, failed(*((f"1.{n}", 290) for n in range(3)))))
    )
    outcome = run(filled, model, told)
    assert (outcome.answered, outcome.stored, len(outcome.problems)) == (1, 0, 1)


def test_results_that_another_run_stored_just_now_count_as_stored(filled, model, told):
    filled.faults.append(on("POST", "", lambda request: send(request, 409, failed((uid_of(request), 0x0111)))))
    outcome = run(filled, model, told)
    assert (outcome.stored, outcome.problems) == (3, [])


@pytest.mark.parametrize("status", [400, 409, 413, 500])
def test_an_archive_that_stores_nothing(filled, model, told, status):
    filled.faults.append(on("POST", "", lambda request: send(request, status, b"no", "text/plain")))
    outcome = run(filled, model, told)
    assert outcome.stored == 0
    assert f"answers {status} to a request for the storing of results" in outcome.problems[0].reason


def test_an_archive_that_knows_no_pages(filled, model, told):
    filled.listed *= 400  # the same ones, over a page full
    filled.faults.append(on("GET", "/instances", lambda request: send(request, 200, filled.listed)))
    assert run(filled, model, told).stored == 3


def test_a_small_answer_that_unpacks_to_a_large_one(fake, model, told):
    bomb = gzip.compress(b" " * 2**27)
    fake.faults.append(lambda request: send(request, 200, bomb, Content_Encoding="gzip"))
    with pytest.raises(SpineError, match="sends more than the 16 MiB"):
        run(fake, model, told)


def test_a_disk_that_is_full_is_no_fault_of_the_archive(filled, model, told, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive_module, "atomic_file", full)
    with pytest.raises(OSError, match="No space left"):
        run(filled, model, told)


def test_objects_of_a_class_that_is_not_told_are_looked_at(filled, model, told):
    for one in filled.listed:
        del one["00080016"]
    assert run(filled, model, told).stored == 3


def test_uids_that_climb_out_of_the_folder_are_left_out(filled, model, told):
    filled.listed[0]["0020000E"]["Value"] = ["../../x"]
    assert run(filled, model, told).stored == 3
    assert not any(".." in path for _, path, _ in filled.asked)


def uid_of(request):
    """The UID of the first object that a request stores, its segmentation."""
    return str(dcmread(BytesIO(request.body.split(b"\r\n\r\n", 1)[1]), stop_before_pixels=True).SOPInstanceUID)
