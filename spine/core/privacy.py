"""Salted hashes: the same patient is recognised everywhere in a project, and nowhere outside it.

The salt is read from the variable SPINE_SALT, else from the file `.spine-salt` in the working directory, which is made
with random content at the first use. Two projects that must recognise each other's patients share that file.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path

__all__ = ["SALT_FILE", "patient_hash", "pseudonym", "salt", "salt_id", "seal", "uid"]

SALT_FILE = Path(".spine-salt")


def salt() -> bytes:
    """The project's salt, created once."""
    if value := os.environ.get("SPINE_SALT"):
        return value.encode()
    if not SALT_FILE.exists():
        _create(SALT_FILE)
    return SALT_FILE.read_bytes().strip()


def _create(path: Path) -> None:
    # The text is complete before the name exists, and link() lets the first of several writers win.
    descriptor, temporary = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".tmp", dir=path.parent)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(secrets.token_hex(32) + "\n")
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        Path(temporary).unlink()


def salt_id() -> str:
    """Names the salt without giving it away: hashes under different salts must not be compared."""
    return _digest("salt", "")[:8]


def patient_hash(patient: str) -> str:
    """The patient's salted hash as written to `member.json` and `weights.json` (16 hexadecimal digits)."""
    return _digest("patient", patient)[:16]


def pseudonym(identifier: str, prefix: str = "P") -> str:
    """A short stable pseudonym such as `P4f1c09ab3d` for a patient, study or accession number."""
    return prefix + _digest("pseudonym", identifier)[:10]


def uid(original: str) -> str:
    """A DICOM UID (2.25 form, ISO/IEC 9834-8) that replaces `original`, the same one every time."""
    return f"2.25.{int(_digest('uid', original)[:32], 16)}"


def seal(content_hash: str) -> str:
    """What only this project can say of something with that fingerprint: that it made it, or trusts it."""
    return _digest("seal", content_hash)


def _digest(purpose: str, text: str) -> str:
    return hmac.new(salt(), f"{purpose}:{text}".encode(errors="surrogatepass"), hashlib.sha256).hexdigest()
