"""The templates of the pages, and how they are rendered: all text is escaped, and a missing value is an error."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["environment", "templates"]


def templates() -> dict[str, str]:
    """File name -> text of the pages' templates."""
    files = [file for file in resources.files("ensemble.report").iterdir() if file.name.endswith(".html")]
    return {file.name: file.read_text("utf-8") for file in sorted(files, key=lambda file: file.name)}


def environment() -> Environment:
    """What renders the templates."""
    from jinja2 import DictLoader, Environment, StrictUndefined

    return Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=DictLoader(templates())
    )
