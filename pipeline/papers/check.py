"""A paper's own numbers, recomputed: one function a paper, and what is shown of their findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.papers import cervical, levan2020, sayed2025, tapkir
from pipeline.papers.facts import Facts, read_facts
from pipeline.papers.finding import Finding

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["CHECKS", "check_paper", "findings_table", "summary"]

CHECKS: dict[str, Callable[[Facts], list[Finding]]] = {
    "sayed2025_plid": sayed2025.check,
    "ma2020_cervical": cervical.check_ma2020,
    "sci2024_cord": cervical.check_sci2024,
    "tapkir_fracture": tapkir.check,
    "levan2020_implant": levan2020.check,
}
STYLES = {"agrees": "green", "contradicts": "red", "implies": "cyan", "open": "yellow"}


def check_paper(paper: str) -> list[Finding]:
    """What the printed numbers of a paper imply; SpineError where its name is not known."""
    facts = read_facts(paper)
    return CHECKS[paper](facts)


def findings_table(paper: str, findings: list[Finding]) -> Table:
    """A line a finding: what is printed, what that implies, and the verdict."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(read_facts(paper).citation), box=SIMPLE_HEAD, padding=(0, 1), title_justify="left")
    for heading in ("", "printed", "implied", "verdict"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "verdict")
    for one in findings:
        style = STYLES[one.verdict]
        table.add_row(*map(escape, (one.about, one.printed, one.implied)), f"[{style}]{one.verdict}[/]")
    return table


def summary(findings: list[Finding]) -> str:
    """How many of each verdict."""
    counts = Counter(one.verdict for one in findings)
    told = (
        f"{counts['agrees']} agree, {counts['contradicts']} contradict each other, "
        f"{counts['implies']} follow from what is printed"
    )
    return f"{told}, {counts['open']} left open for want of numbers" if counts["open"] else told
