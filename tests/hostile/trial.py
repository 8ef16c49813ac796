"""One trial: a reader's good input, its mutation by a seed, and what became of it.

outcome = Trials(folder).run(READERS["png"], seed=7)
outcome.kind    # read, refused, or what must not be: nameless, lost, garbage, traceback, hang, memory, crash
"""

from __future__ import annotations

import os
import shutil
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from spine.core.problems import SpineError
from tests.hostile import oracles
from tests.hostile.mutations import OF_BYTES, Mutated, mutate
from tests.hostile.readers import Found, Reader
from tests.hostile.values import NAMES, Random

__all__ = ["GOOD", "KINDS", "Outcome", "Trials", "mutate_input"]

GOOD = ("read", "refused")
KINDS = (*GOOD, "nameless", "lost", "garbage", "traceback", "hang", "memory", "crash")

_PRODUCT = ("spine", "classification", "segmentation", "detection", "ensemble")
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """What became of one input: its `kind`, what was done to it, and, where that is no good, what was seen and where.

    nameless: refused without a word on which file is meant. lost: other pictures, which are good, went with it.
    garbage: taken in silence with other pixels though its checksum, its length or a number tells that it is damaged.
    """

    reader: str
    seed: int
    kind: str
    mutation: str = ""
    seen: str = ""
    place: str = ""  # file:line of the product where it was raised
    seconds: float = 0.0
    megabytes: float = 0.0

    def __str__(self) -> str:
        told = f"{self.kind:9} {self.reader!r} {self.seed} ({self.mutation}) {self.place} {self.seen}"
        return " ".join(told.split()).encode("ascii", "backslashreplace").decode()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Trials:
    """Trials in a folder of their own; each good input is made once, for all readers of it, and copied."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._good: dict[Callable[[Path], None], Path] = {}
        self._sound: dict[tuple[str, int], Found] = {}

    def run(self, reader: Reader, seed: int) -> Outcome:
        """Mutate, read and judge."""
        way = _way(reader, seed)
        sound = self._of_sound(reader, way)
        if sound.problems or sound.wrong:
            return Outcome(
                reader.name, seed, "lost", "none", f"the good input is not read: {sound.wrong or _told(sound)}"
            )
        folder = self.prepare(reader)
        mutated = mutate_input(reader, folder, seed)
        found, seen, place, kind = Found(), "", "", ""
        try:
            found = self.read(reader.ways[way], folder)
        except SpineError as error:
            found = Found((str(error),))
        except BaseException as error:
            kind, seen, place = "traceback", _seen(error), _place(error)
        if not kind:
            kind, seen = _judge(reader, mutated, sound, found)
        return Outcome(reader.name, seed, kind, mutated.name, seen.replace(str(folder), "")[:300], place)

    def warm(self, reader: Reader, seed: int) -> None:
        """Have the good input read, so that a trial is nothing but the mutated one."""
        self._of_sound(reader, _way(reader, seed))

    def prepare(self, reader: Reader) -> Path:
        """A fresh copy of the good input."""
        if reader.make not in self._good:
            self._folder.mkdir(parents=True, exist_ok=True)
            template = Path(mkdtemp(prefix="good", dir=self._folder)) / "input"  # not a worker's that died before
            reader.make(template)
            self._good[reader.make] = template
        folder = self._folder / "tried"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._good[reader.make], folder)
        return folder

    def _of_sound(self, reader: Reader, way: int) -> Found:
        """What the call makes of the good input: all of it should be read, and nothing told."""
        if (reader.name, way) not in self._sound:
            self._sound[reader.name, way] = self.read(reader.ways[way], self.prepare(reader))
        return self._sound[reader.name, way]

    @staticmethod
    def read(way: Callable[[Path], Found], folder: Path) -> Found:
        before = Path.cwd()
        os.chdir(folder)  # a mutated path that is relative leads nowhere else
        try:
            return way(folder)
        finally:
            os.chdir(before)


def _way(reader: Reader, seed: int) -> int:
    return Random(f"{reader.name} {seed}").randrange(len(reader.ways))


def mutate_input(reader: Reader, folder: Path, seed: int) -> Mutated:
    victim = folder / reader.victim
    if reader.kind == "name":
        return _renamed(victim, seed)
    mutated = mutate(victim.read_bytes(), reader.kind, seed)
    victim.write_bytes(mutated.data)
    return mutated


def _renamed(victim: Path, seed: int) -> Mutated:
    """Another name, which bytes of another encoding, or another folder, deep down."""
    random = Random(f"name {seed}")
    name = random.choice([*NAMES, os.fsdecode(b"p1\xe9"), os.fsdecode(b"\xff\xfe"), "deep"])
    target = victim.with_name(f"{name[:250]}{victim.suffix}")
    if name == "deep":
        target = victim.parent.joinpath(*["folder" * 5] * 12, victim.name)
        target.parent.mkdir(parents=True)
    victim.rename(target)
    return Mutated(f"name {name!a}", target.read_bytes())


def _judge(reader: Reader, mutated: Mutated, sound: Found, found: Found) -> tuple[str, str]:
    if gone := [name for name in reader.others if not _has(found, name)]:
        return "lost", f"{', '.join(gone)} gone: {_told(found)}"
    if found.problems:
        if any(word in problem for problem in found.problems for word in reader.told_as):
            return "refused", ""
        return "nameless", _told(found)
    if found.wrong:
        return "garbage", found.wrong
    if (flat := found.flat - sound.flat) and mutated.name not in OF_BYTES:
        return "garbage", f"{', '.join(sorted(flat))} became one grey level"
    if found.pictures == sound.pictures and (found.pictures or found.told == sound.told):
        return "read", ""
    damage = oracles.is_damaged(Path(reader.victim).suffix, mutated.data) if reader.kind != "name" else ""
    if not damage and found.pictures.keys() == sound.pictures.keys() and _is_short(reader, mutated):
        damage = "it was cut short"
    return ("garbage", f"read with other values, though {damage}") if damage else ("read", "")


def _has(found: Found, name: str) -> bool:
    return any(name in Path(picture.partition("#")[0]).name for picture in found.pictures)


def _is_short(reader: Reader, mutated: Mutated) -> bool:
    """Of a picture cut short some pixels are not there, whatever was read in their place."""
    cut = ("truncate", "cut_the_end", "png_pixels_cut", "jpeg_half_closed", "pixels_cut", "packed_cut")
    return bool(reader.others) and mutated.name in cut


def _told(found: Found) -> str:
    return " | ".join(" ".join(problem.split())[:200] for problem in found.problems[:2]) or "nothing was told"


def _seen(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


def _place(error: BaseException) -> str:
    """The last place in the product's own code on the way to an error."""
    frames = [
        (Path(frame.filename).resolve(), frame.lineno, frame.name)
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    ours = [
        (path.relative_to(_ROOT), line, name)
        for path, line, name in frames
        if path.is_relative_to(_ROOT) and path.relative_to(_ROOT).parts[0] in _PRODUCT
    ]
    return f"{ours[-1][0]}:{ours[-1][1]} {ours[-1][2]}" if ours else ""
