"""What only people can say of a model and its data; the cards and the CLAIM checklist quote it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from spine.core.strict import Strict

__all__ = ["AboutSettings"]

Short = Annotated[str, Field(min_length=4, max_length=64)]  # as an entry of an RSNA ATLAS card


class AboutSettings(Strict):
    """Each is text, quoted as it is; what is empty is a blank of the documents, to be written by the authors."""

    link: str = Field(default="", max_length=256)  # where the model is found
    data_link: str = Field(default="", max_length=128)  # where the dataset is found
    version: str = ""  # of the model
    authors: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    contact: str = ""
    license: str = ""  # of the model
    data_license: str = ""
    funding: str = ""
    ethical_review: str = ""  # approval, consent or waiver
    intended_use: tuple[Short, ...] = ()
    users: tuple[Short, ...] = ()
    out_of_scope: tuple[Short, ...] = ()
    indications: str = ""  # disease or condition, patients, place of use
    benefit: str = ""  # to patients or to those who treat them
    limitations: str = ""  # besides what the run knows
    availability: str = ""  # of software, model and data
    sampling: str = ""  # how patients came into the dataset: when, where, who was left out
    reference_standard: str = ""  # who annotated, by which rule, and how well they agree

    @field_validator("link", "data_link")
    @classmethod
    def _is_a_uri(cls, link: str) -> str:
        if link and not link.startswith(("https://", "http://", "urn:", "doi:")):
            raise ValueError("give an address that begins with https://, or leave it out")
        return link
