"""What a process killed at any moment of publishing leaves is gone with the next export, and never seen half."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from spine.member.member import Card, Member
from spine.member.serving import drop_unnamed_versions

# A writer for each line that it is told, forked, since TensorFlow alone takes seconds to import.
PUBLISH = """
import os
import sys
from pathlib import Path
import tensorflow as tf
from spine.member.serving import publish_model
class Doubling(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def image(self, image):
        return {"double": 2 * image}
    serving_default = image
for _ in sys.stdin:
    writer = os.fork()
    if not writer:
        for _ in range(1000):
            publish_model(Doubling(), Path(sys.argv[1]))
    print(writer, flush=True)
    os.waitpid(writer, 0)
"""


def versions(path, *contents: str) -> list[str]:
    """Write the versions 1, 2 ... of what stands for a SavedModel; their hashes."""
    hashes = []
    for number, content in enumerate(contents, start=1):
        (path / "model" / str(number)).mkdir(parents=True)
        (path / "model" / str(number) / "saved_model.pb").write_text(content)
        hashes.append(Member.hash_model(path / "model" / str(number)))
    return hashes


def there(path) -> list[str]:
    return sorted(entry.name for entry in (path / "model").iterdir())


@pytest.mark.parametrize(("named", "kept"), [(0, ["1"]), (1, ["1", "2"]), (2, ["1", "2", "3"])])
def test_versions_above_the_one_that_the_card_names_go(tmp_path, named, kept):
    hashes = versions(tmp_path, "a", "b", "c")
    Member.publish(tmp_path, Card(name="x", task="classification", labels=("a", "b"), model_hash=hashes[named]))
    drop_unnamed_versions(tmp_path)
    assert there(tmp_path) == kept


def test_without_a_card_all_go_and_with_a_damaged_model_none(tmp_path):
    versions(tmp_path, "a", "b")
    Member.publish(tmp_path, Card(name="x", task="classification", labels=("a", "b"), model_hash="of neither"))
    drop_unnamed_versions(tmp_path)
    assert there(tmp_path) == ["1", "2"]
    (tmp_path / "member.json").unlink()
    drop_unnamed_versions(tmp_path)
    assert there(tmp_path) == []
    shutil.rmtree(tmp_path / "model")
    drop_unnamed_versions(tmp_path)  # nothing there is nothing to do


@pytest.mark.slow
def test_a_version_that_has_its_number_is_whole_whenever_its_writer_was_killed(tmp_path):
    import tensorflow as tf

    command = [sys.executable, "-c", PUBLISH, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, **pipes) as writers:
        for turn in range(6):
            print("next", file=writers.stdin, flush=True)
            writer = int(writers.stdout.readline())
            time.sleep(0.3 + 0.07 * turn)
            os.kill(writer, signal.SIGKILL)
        writers.stdin.close()
    found = [entry for entry in (tmp_path / "model").iterdir() if entry.name.isdigit()]
    assert found
    for version in found:
        assert tf.saved_model.load(str(version)).signatures["image"](tf.constant([2.0]))["double"].numpy() == [4.0]
