"""De-identified copies of DICOM files: the basic profile of PS3.15 annex E, with UIDs and patients remapped.

dicom-anonymizer applies the profile's table to the dataset; here it is carried into nested items too. UIDs and patient
ids become salted hashes (`spine.core.privacy`), the same ones in every run, so that series, references and splits by
patient survive. Private elements are removed. SeriesDescription, which the profile removes, comes back as the
recognised contrast (T2W and the like), since the choice of slices needs it. Pixels stay as they are: text that is
burned into them is flagged, not erased.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from dicomanonymizer.simpledicomanonymizer import anonymize_dataset, initialize_actions_2024b
from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from spine.core import privacy
from spine.core.files import atomic_file, hash_file, walk
from spine.core.problems import Problem, SpineError, fault_of, is_of_the_file, lost_in, one_file
from spine.images.dicom.copies import copies_warning
from spine.images.dicom.headers import lacking_bytes, quiet, read_dataset
from spine.images.dicom.objects import is_burned_in, is_directory, is_image, modality_of, patient_of
from spine.images.dicom.sequence import sequence_of
from spine.images.dicom.values import Header
from spine.images.kinds import kind_of

__all__ = ["deidentify", "deidentify_dataset"]

Action = Callable[[Dataset, tuple[int, int]], None]

_PATIENT_ID = (0x0010, 0x0020)
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_METHOD = "PS3.15 annex E basic profile"
_SCREENS = ("US", "SC", "OT", "ES", "XC", "IVUS", "DOC")  # modalities whose pictures often show text


def deidentify(source: Path, target: Path) -> list[Problem]:
    """Write de-identified copies of a DICOM file, or of all DICOM files of a tree, below the folder `target`.

    A copy is `<patient>/<study>/<series>/<image>.dcm`, each a salted hash. Returns the bad files (errors; the good ones
    go on), the images that may show burned-in text, and what of other images has the SOPInstanceUID of an earlier one
    (warnings). A file that is there twice is written once. DICOMDIRs, and files that are not DICOM, are not copied; the
    latter are listed as warnings, and as an error where one is `source` itself. Raises SpineError where `source` does
    not exist or holds `target`, and where `target` is no folder that can be written.
    """
    source, target = Path(source), Path(target)
    if not source.exists():
        raise SpineError(f"{source} does not exist; give a DICOM file or a folder")
    if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
        raise SpineError(f"{target} lies within {source}; write the copies elsewhere")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpineError(f"{target} cannot be made a folder ({error.strerror}); write the copies elsewhere") from error
    tree, written = walk(source), _Written(target)
    problems = list(lost_in(tree))
    for path in tree.files:
        try:
            with quiet(), one_file(path):
                problems += _copy(path, written)
        except SpineError as error:
            asked_for = path == source or kind_of(path) == "dicom"
            problems.append(Problem.from_error(error, path, "error" if asked_for else "warning"))
    return problems + ([copies_warning(written.copies)] if written.copies else [])


@dataclass
class _Written:
    """The files that were written below `target`: how many of each name, and what those of each content came from."""

    target: Path
    names: Counter[Path] = field(default_factory=Counter)
    contents: dict[tuple[Path, str], Path] = field(default_factory=dict)
    copies: dict[Path, Path] = field(default_factory=dict)

    def has(self, name: Path, path: Path) -> bool:
        """Whether the same bytes were written under that name; then the file counts as a copy."""
        first = self.contents.get((name, hash_file(path)))
        if first is not None:
            self.copies[path] = first
        return first is not None

    def place(self, name: Path) -> Path:
        """Where the next file of that name goes: an anonymiser may give several images one UID."""
        number = self.names[name] + 1
        return self.target / (name if number == 1 else name.with_name(f"{name.stem}_{number}{name.suffix}"))

    def note(self, name: Path, path: Path) -> None:
        """Note what was written."""
        self.names[name] += 1
        self.contents[name, hash_file(path)] = path


def deidentify_dataset(dataset: Dataset, patient: str = "") -> None:
    """De-identify a dataset in place, of the patient that the header tells, or else `patient`; its pixels stay."""
    patient = _patient(dataset) or patient
    contrast = sequence_of(Header.of(dataset))
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                _clean_item(item)
    anonymize_dataset(dataset, base_rules_gen=_rules)
    for element in dataset.iterall():
        if element.VR == "PN":  # a person's name, also where the profile's table does not know the element
            element.value = ""
    dataset.PatientID = dataset.PatientName = privacy.pseudonym(patient)
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = _METHOD
    dataset.DeidentificationMethodCodeSequence = [_profile_code()]
    if contrast:
        dataset.SeriesDescription = contrast
    _clean_file_meta(dataset)


def _copy(path: Path, written: _Written) -> list[Problem]:
    dataset = read_dataset(path)
    if is_directory(Header.of(dataset)):
        return []
    _check_length(dataset, path)
    problems = _burned_in(dataset, path)
    patient = _patient(dataset) or str(path.parent)
    name = _file_name(dataset, path, patient)
    if written.has(name, path):
        return []
    if written.names[name]:
        problems.append(_same_uid(path))
    try:
        deidentify_dataset(dataset, patient)
        with atomic_file(written.place(name)) as temporary:
            dataset.save_as(temporary, enforce_file_format=True)
    except Exception as error:
        if not is_of_the_file(error):
            raise
        raise SpineError(
            f"{path} cannot be de-identified ({fault_of(error)}); repair its header, or leave it out"
        ) from error
    written.note(name, path)
    return problems


def _same_uid(path: Path) -> Problem:
    reason = "has the SOPInstanceUID of an earlier file and is another; its copy was written beside that one's"
    return Problem(str(path), reason, "take the files from before their UIDs were replaced", "warning")


def _check_length(dataset: Dataset, path: Path) -> None:
    if not is_image(Header.of(dataset)):
        return
    keyword = next((keyword for keyword in _PIXELS if keyword in dataset), None)
    if keyword is None:
        raise SpineError(f"{path} is truncated: it ends before its pixels; copy it again")
    if missing := lacking_bytes(dataset, len(dataset[keyword].value or b"")):
        raise SpineError(f"{path} is truncated: it lacks the last {missing:,} bytes of its pixels; copy it again")


def _burned_in(dataset: Dataset, path: Path) -> list[Problem]:
    header = Header.of(dataset)
    stated, modality = is_burned_in(header), modality_of(header)
    if stated:
        reason = "its pixels show burned-in annotation (BurnedInAnnotation is YES)"
    elif stated is None and modality in _SCREENS and is_image(header):
        reason = f"its pixels may show burned-in annotation (modality {modality}, and the file does not say)"
    else:
        return []
    return [Problem(str(path), reason, "look at the copy, and mask or leave out what shows text", "warning")]


def _patient(dataset: Dataset) -> str:
    header = Header.of(dataset)
    return patient_of(header) or header.label("StudyInstanceUID")


def _file_name(dataset: Dataset, path: Path, patient: str) -> Path:
    header = Header.of(dataset)
    study, series, image = (
        header.label(keyword) or str(path) for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    )
    folder = Path(privacy.pseudonym(patient)) / privacy.pseudonym(study, "S") / privacy.pseudonym(series, "R")
    return folder / f"{privacy.pseudonym(image, 'I')}.dcm"


@cache
def _actions() -> dict[tuple[int, ...], Action]:
    """The profile's table, with UIDs and patient ids hashed, and references kept, since their UIDs are hashed."""
    actions = initialize_actions_2024b()
    for tag, action in actions.items():
        if action.__name__ == "replace_UID":
            actions[tag] = _hash_uid
        elif action.__name__ == "delete_or_empty_or_replace_UID":
            actions[tag] = _keep
    return {**actions, _PATIENT_ID: _hash_patient}


def _rules() -> dict[tuple[int, ...], Action]:
    return dict(_actions())


def _clean_item(item: Dataset) -> None:
    for element in list(item):
        tag = element.tag
        if element.VR == "SQ":
            for inner in element.value:
                _clean_item(inner)
        if action := _actions().get((tag.group, tag.element)):
            action(item, (tag.group, tag.element))


def _keep(dataset: Dataset, tag: tuple[int, int]) -> None:
    """Leave the element: its items are cleaned by themselves."""


def _hash_uid(dataset: Dataset, tag: tuple[int, int]) -> None:
    element = dataset.get(BaseTag((tag[0] << 16) + tag[1]))
    if element is None or not element.value:
        return
    many = isinstance(element.value, MultiValue | list)
    element.value = [privacy.uid(str(one)) for one in element.value] if many else privacy.uid(str(element.value))


def _hash_patient(dataset: Dataset, tag: tuple[int, int]) -> None:
    element = dataset.get(BaseTag((tag[0] << 16) + tag[1]))
    if element is not None:
        element.value = privacy.pseudonym(str(element.value))


def _clean_file_meta(dataset: Dataset) -> None:
    dataset.preamble = b"\0" * 128
    meta = dataset.file_meta
    for element in list(meta):
        if element.keyword not in ("TransferSyntaxUID", "MediaStorageSOPClassUID", "FileMetaInformationVersion"):
            del meta[element.tag]
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "")


def _profile_code() -> Dataset:
    """Basic Application Confidentiality Profile, of PS3.16 CID 7050."""
    code = Dataset()
    code.CodeValue = "113100"
    code.CodingSchemeDesignator = "DCM"
    code.CodeMeaning = "Basic Application Confidentiality Profile"
    return code
