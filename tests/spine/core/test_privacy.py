import stat

from spine.core.privacy import SALT_FILE, patient_hash, pseudonym, salt, salt_id, uid


def test_the_same_patient_is_recognised_under_one_salt_only(monkeypatch):
    first = patient_hash("Doe^Jane"), pseudonym("Doe^Jane"), uid("1.2.3"), salt_id()
    assert first == (patient_hash("Doe^Jane"), pseudonym("Doe^Jane"), uid("1.2.3"), salt_id())
    assert "Doe" not in "".join(first)
    monkeypatch.setenv("SPINE_SALT", "another")
    second = patient_hash("Doe^Jane"), pseudonym("Doe^Jane"), uid("1.2.3"), salt_id()
    assert all(a != b for a, b in zip(first, second, strict=True))


def test_a_uid_is_valid_dicom():
    value = uid("1.2.840.1")
    assert value.startswith("2.25.")
    assert len(value) <= 64
    assert value[5:].isdigit()
    assert not value[5:].startswith("0")


def test_the_salt_file_is_made_once_and_private(tmp_path, monkeypatch):
    monkeypatch.delenv("SPINE_SALT")
    monkeypatch.chdir(tmp_path)
    first = salt()
    assert len(first) == 64
    assert salt() == first
    assert stat.S_IMODE(SALT_FILE.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [SALT_FILE.name]
