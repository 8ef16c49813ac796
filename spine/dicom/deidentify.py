"""De-identified copies of DICOM files: the basic profile of PS3.15 annex E, with UIDs and patients remapped.

dicom-anonymizer applies the profile's table to the dataset; here it is carried into nested items too. UIDs and patient
ids become salted hashes (`spine.privacy`), the same ones in every run, so that series, references and splits by patient
survive. Private elements are removed. SeriesDescription, which the profile removes, comes back as the recognised
contrast (T2W and the like), since the choice of slices needs it. Pixels stay as they are: text that is burned into them
is flagged, not erased.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from dicomanonymizer.simpledicomanonymizer import anonymize_dataset, initialize_actions_2024b
from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.utils import get_expected_length
from pydicom.tag import BaseTag

from spine import privacy
from spine.dicom.headers import is_directory, is_image, quiet, read_dataset
from spine.dicom.sequence import sequence_of
from spine.files import atomic_file
from spine.problems import Problem, SpineError
from spine.reading import kind_of

__all__ = ["deidentify", "deidentify_dataset"]

Action = Callable[[Dataset, tuple[int, int]], None]

_PATIENT_ID = (0x0010, 0x0020)
_METHOD = "PS3.15 annex E basic profile"
_SCREENS = ("US", "SC", "OT", "ES", "XC", "IVUS", "DOC")  # modalities whose pictures often show text


def deidentify(source: Path, target: Path) -> list[Problem]:
    """Write de-identified copies of a DICOM file, or of all DICOM files of a tree, below the folder `target`.

    A copy is `<patient>/<study>/<series>/<image>.dcm`, each a salted hash. Returns the bad files (errors; the good ones
    go on) and the images that may show burned-in text (warnings). DICOMDIRs, and files that are not DICOM, are not
    copied; the latter are listed as warnings. Raises SpineError where `source` does not exist or holds `target`.
    """
    source, target = Path(source), Path(target)
    if not source.exists():
        raise SpineError(f"{source} does not exist; give a DICOM file or a folder")
    if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
        raise SpineError(f"{target} lies within {source}; write the copies elsewhere")
    problems = []
    for path in _files(source):
        try:
            with quiet():
                problems += _copy(path, target)
        except SpineError as error:
            problems.append(Problem.from_error(error, path, "error" if kind_of(path) == "dicom" else "warning"))
    return problems


def deidentify_dataset(dataset: Dataset) -> None:
    """De-identify a dataset in place; its pixels stay as they are."""
    patient = str(dataset.get("PatientID") or dataset.get("PatientName") or dataset.get("StudyInstanceUID") or "")
    contrast = sequence_of(dataset)
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


def _files(source: Path) -> Iterator[Path]:
    for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
        if path.is_file() and not path.name.startswith("."):
            yield path


def _copy(path: Path, target: Path) -> list[Problem]:
    dataset = read_dataset(path)
    if is_directory(dataset):
        return []
    _check_length(dataset, path)
    problems = _burned_in(dataset, path)
    name = _file_name(dataset, path)
    try:
        deidentify_dataset(dataset)
        with atomic_file(target / name) as temporary:
            dataset.save_as(temporary, enforce_file_format=True)
    except (AttributeError, KeyError, NotImplementedError, TypeError, ValueError) as error:
        detail = str(error).replace(";", ",")
        raise SpineError(f"{path} cannot be de-identified ({detail}); repair its header, or leave it out") from error
    return problems


def _check_length(dataset: Dataset, path: Path) -> None:
    if not is_image(dataset):
        return
    if not any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise SpineError(f"{path} is truncated: it ends before its pixels; copy it again")
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated or "PixelData" not in dataset:
        return
    length, expected = len(dataset.PixelData), get_expected_length(dataset)
    if length < expected:
        raise SpineError(f"{path} is truncated: it holds {length} of {expected} bytes of pixels; copy it again")


def _burned_in(dataset: Dataset, path: Path) -> list[Problem]:
    stated = dataset.get("BurnedInAnnotation")
    if stated == "YES":
        reason = "its pixels show burned-in annotation (BurnedInAnnotation is YES)"
    elif not stated and dataset.get("Modality") in _SCREENS and is_image(dataset):
        reason = f"its pixels may show burned-in annotation (modality {dataset.Modality}, and the file does not say)"
    else:
        return []
    return [Problem(str(path), reason, "look at the copy, and mask or leave out what shows text", "warning")]


def _file_name(dataset: Dataset, path: Path) -> Path:
    patient = str(dataset.get("PatientID") or dataset.get("PatientName") or dataset.get("StudyInstanceUID") or "")
    study, series, image = (
        str(dataset.get(keyword) or path) for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
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
