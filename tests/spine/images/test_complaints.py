"""What codecs say of damage is heard by the picture that it is about, whatever other threads do."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from spine.core.problems import SpineError
from spine.images.decoders.complaints import complaints
from spine.images.pictures import read_greys

ROOT = Path(__file__).resolve().parents[3]
PICTURES = 24


@pytest.fixture
def pictures(tmp_path) -> dict[Path, bool]:
    """Files -> whether they are whole; every third is cut within its scan, or a byte of a strip is changed."""
    found = {}
    for number in range(PICTURES):
        grey = np.random.default_rng(number).integers(256, size=(20, 30), dtype=np.uint8)
        kind = (".jpg", ".tif")[number % 2]
        file = tmp_path / f"{number:02d}{kind}"
        written = cv2.imencode(kind, cv2.resize(grey, (400, 300)), [cv2.IMWRITE_TIFF_COMPRESSION, 5] * (kind == ".tif"))
        data = bytearray(written[1].tobytes())
        if number % 3 == 0 and kind == ".jpg":
            data[len(data) // 2 : -2] = b""
        elif number % 3 == 0:
            data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
        file.write_bytes(data)
        found[file] = number % 3 != 0
    return found


def is_whole(file: Path) -> bool:
    try:
        read_greys(file)
    except SpineError:
        return False
    return True


def test_threads_refuse_the_damaged_pictures_and_no_others(pictures):
    before = os.fstat(2)
    for threads in (1, 8):
        with ThreadPoolExecutor(threads) as pool:
            assert dict(zip(pictures, pool.map(is_whole, pictures), strict=True)) == pictures, threads
    assert os.fstat(2) == before, "the process's standard error is where it was"


SPEAKING = """
import os, sys, threading
from spine.images.decoders.complaints import complaints
held = threading.Event()
def bar():
    held.wait()
    print("a bar of another thread", file=sys.stderr)
with complaints() as heard:
    thread = threading.Thread(target=bar)
    thread.start()
    held.set()
    thread.join()
    os.write(2, b"a codec complains\\n\\x1b[2Ka bar that had begun\\n")
print(heard)
print("after", file=sys.stderr)
"""


def test_what_python_says_meanwhile_is_no_complaint_and_is_not_lost():
    done = subprocess.run([sys.executable, "-c", SPEAKING], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['a codec complains']"]
    assert done.stderr.splitlines() == ["a bar of another thread", "after"]


def test_another_thread_that_listens_waits():
    heard: dict[str, list[str]] = {}

    def listen(name: str) -> None:
        with complaints() as lines:
            os.write(2, f"{name}\n".encode())
        heard[name] = lines

    threads = [threading.Thread(target=listen, args=(f"thread {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {name: [name] for name in heard}
    assert len(heard) == 8
