"""Requests that TF Serving sends itself when it has loaded a version, so that no client's is the slow first one.

They lie in `assets.extra/tf_serving_warmup_requests` of the SavedModel, a TFRecord file of PredictionLog
(https://github.com/tensorflow/serving/blob/master/tensorflow_serving/g3doc/saved_model_warmup.md). The pictures are
generated, so that no patient's is in a model that is handed on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spine.annotations.tfrecords import Shards
from spine.core.problems import SpineError, brief
from spine.images.pictures import encode_png, picture_size, read_bytes, stretched_to_8_bit
from spine.phantom.picture import draw_picture

__all__ = ["MOST", "WARM_UP", "write_warm_up"]

WARM_UP = "assets.extra/tf_serving_warmup_requests"
MOST = 1000  # records that TF Serving takes: with more it does not load the model
HEIGHT = 256  # of a picture, in pixels, where none tells


def write_warm_up(saved: Path, model: Any, pictures: Sequence[Path] = ()) -> int:
    """Write warm-up requests into a SavedModel that is not published yet, and is loaded as `model`; how many there are.

    Each signature is asked for one picture, and that of files for two besides, of the height of the first of the
    `pictures`. SpineError where the model does not answer one: TF Serving would refuse to load it.
    """
    signatures = model.signatures
    picture = draw_picture(_height(pictures))
    logs = [log for name in sorted(signatures) for log in _requests(name, signatures[name], picture)]
    for log in logs:
        _require_answer(signatures, log.predict_log.request)
    path = saved / WARM_UP
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as stream:
        records = Shards([stream])
        for log in logs:
            records.write(log.SerializeToString(deterministic=True))
    return len(logs)


def _height(pictures: Sequence[Path]) -> int:
    if not pictures:
        return HEIGHT
    height, _ = picture_size(read_bytes(pictures[0]), pictures[0])
    return min(max(height, 128), 1024)


def _requests(name: str, signature: Any, picture: np.ndarray) -> Iterator[Any]:
    """PredictionLogs for a signature; none for one whose inputs have no known meaning."""
    import tensorflow as tf
    from tensorflow_serving.apis.model_pb2 import ModelSpec
    from tensorflow_serving.apis.predict_pb2 import PredictRequest
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog

    _, inputs = signature.structured_input_signature
    for sent in _sent(picture):
        if set(sent) == set(inputs):
            tensors = {one: tf.make_tensor_proto(values) for one, values in sent.items()}
            request = PredictRequest(model_spec=ModelSpec(signature_name=name), inputs=tensors)
            yield PredictionLog(predict_log=PredictLog(request=request))


def _sent(picture: np.ndarray) -> list[dict[str, Any]]:
    """The inputs of each request, by name."""
    eight = stretched_to_8_bit(picture)
    files = [encode_png(eight), encode_png(picture << 4)]  # 12 bits as 16
    greys = (eight / np.float32(255))[np.newaxis, :, :, np.newaxis]
    boxes = np.array([[0.25, 0.25, 0.5, 0.75], [0.5, 0.25, 0.75, 0.75]], np.float32)
    of_files = [{"image_bytes": files[:1]}, {"image_bytes": files}]
    of_boxes = [{"image_bytes": files[:1], "boxes": boxes[:1]}, {"image_bytes": files, "boxes": boxes}]
    of_slices = [{**sent, "before": sent["image_bytes"], "after": sent["image_bytes"]} for sent in of_boxes]
    of_slices += [{name: sent[name] for name in ("image_bytes", "before", "after")} for sent in of_slices]
    return [*of_files, *of_boxes, *of_slices, {"image": greys}, {"question": [b""]}]


def _require_answer(signatures: Any, request: Any) -> None:
    import tensorflow as tf

    inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
    name = request.model_spec.signature_name
    try:
        signatures[name](**inputs)
    except tf.errors.OpError as error:
        raise SpineError(
            f"the signature {name!r} of the new model does not answer a generated picture "
            f"({brief(error.message)}); it was not published. Report this with the members' configs"
        ) from error
