"""Folders that many tests want alike: written once a process, and copied for each test.

write_once(tmp_path, lambda folder: write_dataset(folder, labels), labels)
"""

import atexit
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from spine.core.files import fingerprint


@cache
def _originals() -> Path:
    folder = Path(mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def write_once(folder: Path, write: Callable[[Path], Any], *settings: Any) -> None:
    """Fill `folder` by `write`, or with a copy of what that wrote for the same `settings` and salt before.

    What is written must not depend on where it is; a folder that holds anything is written by `write` itself.
    """
    if folder.is_dir() and any(folder.iterdir()):
        write(folder)
        return
    original = _originals() / fingerprint([os.environ.get("SPINE_SALT"), repr(settings)])
    if not original.exists():
        begun = original.with_suffix(".begun")
        shutil.rmtree(begun, ignore_errors=True)  # of a `write` that failed
        write(begun)
        begun.rename(original)
    shutil.copytree(original, folder, copy_function=shutil.copyfile, dirs_exist_ok=True)
