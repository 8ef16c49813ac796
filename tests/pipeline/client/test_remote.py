"""A served model asked over REST and gRPC: it answers as in this process, and refuses in sentences."""

import numpy as np
import pytest

from pipeline.client import LocalModel, RemoteModel, ServerError
from pipeline.client.local import read_description
from pipeline.client.signatures import Output
from pipeline.server import Server, Source
from pipeline.server.token import Token
from spine.core.problems import SpineError
from tests.case_on_disk import GRADES, MeanGrey, write_member
from tests.member_contract import png

pytestmark = pytest.mark.slow


def assert_equal(one, other):
    told, expected = (np.array(_numbers(answer.to_json())) for answer in (one, other))
    np.testing.assert_allclose(told, expected, atol=1e-5)
    np.testing.assert_array_equal(one.mask, other.mask)
    assert (one.model, one.version) == (other.model, other.version)


def _numbers(value):
    if isinstance(value, dict):
        return [number for inner in value.values() for number in _numbers(inner)]
    if isinstance(value, (list, tuple)):
        return [number for inner in value for number in _numbers(inner)]
    return [value] if isinstance(value, (int, float)) else []


@pytest.mark.parametrize("members", [False, True])
def test_a_server_answers_as_the_model_in_this_process(url, case, picture_png, members):
    with RemoteModel.open(url) as model:
        answer = model.answer(picture_png, (0.5, 0.5), members=members)
    assert_equal(answer, LocalModel.open(case).answer(picture_png, (0.5, 0.5), members=members))
    assert answer.measurements.unit == "mm"
    assert answer.probabilities is None  # a mask tells enough, and is a sixteenth of it
    assert (answer.disagreement is not None) == members
    assert {bool(grade.members) for finding in answer.findings[1:] for grade in finding.grades} == {members}


def test_where_nothing_is_found_nothing_is_told(url):
    with RemoteModel.open(url) as model:
        answer = model.answer(png(np.zeros((30, 40), np.uint16)))
    assert not answer.findings
    assert not answer.mask.any()


def test_what_is_no_picture_is_refused_in_the_server_s_words(url):
    with RemoteModel.open(url) as model, pytest.raises(ServerError) as refused:
        model.answer(b"no picture")
    assert refused.value.is_of_the_picture
    assert refused.value.code == "INVALID_ARGUMENT"


def test_one_of_several_outputs_may_be_asked(url, picture_png):
    with RemoteModel.open(url) as model:
        outputs = model.outputs([picture_png], only=["probabilities"])
        assert {name: value.shape for name, value in outputs.items()} == {"probabilities": (1, 100, 80, 4)}
        with pytest.raises(SpineError, match=r"has no outputs \['boxes'\]"):
            model.outputs([picture_png], only=["boxes"])


def test_a_version_or_a_label_may_be_asked(url, picture_png):
    for choice in ({"version": 1}, {"label": "stable"}):
        with RemoteModel.open(url, **choice) as model:
            assert model.answer(picture_png).version == "1"
    with pytest.raises(ServerError, match=r"Specific\(lumbar, 7\)"):
        RemoteModel.open(url, version=7)
    with pytest.raises(ServerError, match="Unrecognized servable version label: canry"):
        RemoteModel.open(url, label="canry")


def test_an_unknown_model_is_the_server_s_word(url):
    with pytest.raises(ServerError, match=r"NOT_FOUND: .*Latest\(cervical\)"):
        RemoteModel.open(url.replace("lumbar", "cervical"))


def test_a_model_that_does_not_describe_itself_is_described_by_its_card(served, picture_png, picture):
    url = f"{served.rest_url}/v1/models/grey"
    with RemoteModel.open(url) as model, pytest.raises(SpineError, match=r"does not describe itself.*--card"):
        model.answer(picture_png)
    card = served.servables.models["grey"]._directory / "member.json"
    with RemoteModel.open(url, description=read_description(card)) as model:
        (finding,) = model.answer(picture_png).findings
    assert finding.grades[0].probabilities[1] == pytest.approx(picture.mean() / 65535, abs=1e-4)


def test_a_new_version_is_asked_where_the_old_one_is_gone(tmp_path, picture_png):
    path = write_member(tmp_path / "grey", "classification", GRADES, MeanGrey(1.0))
    card = read_description(path / "member.json")
    with Server([Source("grey", path)], rest_port=0, grpc_port=0, interval=0.05) as server:
        models = [
            RemoteModel.open(f"{address}/v1/models/grey", description=card)
            for address in (server.rest_url, f"grpc://{server.grpc_address}")
        ]
        first = [model.answer(picture_png) for model in models]
        write_member(path, "classification", GRADES, MeanGrey(2.0))
        _wait_for(server.servables.models["grey"], [2])
        second = [model.answer(picture_png) for model in models]
        for model in models:
            model.close()
    assert [answer.version for answer in first] == ["1", "1"]
    assert [answer.version for answer in second] == ["2", "2"]
    for before, after in zip(first, second, strict=True):
        likelihoods = [answer.findings[0].grades[0].probabilities[1] for answer in (before, after)]
        assert likelihoods[1] == pytest.approx(likelihoods[0] ** 2, abs=1e-5)


def _wait_for(model, versions):
    import time

    until = time.monotonic() + 30
    while model.available != versions and time.monotonic() < until:
        time.sleep(0.02)
    assert model.available == versions


def test_a_token_is_asked_for_and_given(case):
    with Server([Source("lumbar", case)], rest_port=0, grpc_port=0, token=Token("a secret of letters")) as server:
        for address in (server.rest_url, f"grpc://{server.grpc_address}"):
            url = f"{address}/v1/models/lumbar"
            with pytest.raises(ServerError, match=r"UNAUTHENTICATED.*--token-file"):
                RemoteModel.open(url)
            with RemoteModel.open(url, token="a secret of letters") as model:
                assert model.version == "1"


def test_lists_without_numbers_have_the_signature_s_axes():
    boxes = Output("DT_FLOAT", (-1, -1, 4))
    assert boxes.array([[]], "detection_boxes").shape == (1, 0, 4)
    assert boxes.array([], "detection_boxes").shape == (0, 0, 4)
    assert Output("DT_FLOAT", (-1,)).array([], "scores").shape == (0,)
    with pytest.raises(SpineError, match="is no array"):
        boxes.array([[1], [1, 2]], "detection_boxes")
