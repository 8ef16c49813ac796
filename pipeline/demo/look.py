"""How the page looks: fonts of the visitor's own machine, calm colours in light and dark, tables that scroll."""

from __future__ import annotations

from typing import Any

from spine.answers.description import NOT_FOR_DIAGNOSIS

__all__ = ["CSS", "banner", "theme"]

_FONT = ["system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "DejaVu Sans", "sans-serif"]
_MONO = ["ui-monospace", "DejaVu Sans Mono", "monospace"]

CSS = """
.gradio-container { width: 100% !important; max-width: 1600px !important; margin: 0 auto !important; }
.banner { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; align-items: baseline; }
.banner h1 { font-size: 1.35rem; margin: 0; }
.banner .model { color: var(--body-text-color-subdued); }
.banner .warning { padding: .25rem .7rem; border-radius: 6px; font-weight: 600;
  color: #5c3d00; background: #ffe2a8; border: 1px solid #d99a1c; }
@media (min-width: 700px) { .banner .warning { margin-left: auto; } }
.sentence p { margin: .25rem 0; overflow-wrap: anywhere; }
.sentence .wrong { padding: .5rem .7rem; border-left: 4px solid #d1453b; background: rgba(209, 69, 59, .12); }
.wide { overflow-x: auto; margin-bottom: .6rem; }
.answer h3 { font-size: .95rem; margin: .7rem 0 .3rem; }
.answer table { border-collapse: collapse; width: 100%; font-size: .86rem; line-height: 1.3; margin: 0; }
.answer table, .answer tr { border-width: 0 !important; }
.answer th, .answer td { padding: .3rem .5rem; text-align: left; vertical-align: top; font-weight: 400;
  border-width: 0 0 1px !important; border-color: var(--border-color-primary) !important; }
.answer thead th { color: var(--body-text-color-subdued); font-size: .78rem; vertical-align: bottom; }
.answer thead th:not(:first-child) { text-align: right; }
.answer .grades thead th:nth-child(2), .answer .decided thead th:nth-child(3) { text-align: left; }
.answer p.wrong { font-size: .86rem; color: var(--body-text-color); padding: .4rem .6rem;
  border-left: 4px solid #d99a1c; background: rgba(245, 165, 36, .15); }
.answer tbody th { white-space: nowrap; }
.answer .number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.answer .none { color: var(--body-text-color-subdued); }
.answer .grades td { white-space: nowrap; font-variant-numeric: tabular-nums; }
.answer p { font-size: .8rem; color: var(--body-text-color-subdued); margin: .2rem 0 .6rem; }
.answer .score { color: var(--body-text-color-subdued); font-size: .8em; }
.answer .grades td.decision { white-space: normal; min-width: 9rem; }
.answer .undecided > b { padding: 0 .35em; border: 1px solid #d99a1c; border-radius: 3px; }
.answer .other { background: rgba(245, 165, 36, .22); }
.answer .bar { display: block; height: 4px; margin-top: 3px; border-radius: 2px;
  background: var(--border-color-primary); }
.answer .bar i { display: block; height: 4px; border-radius: 2px; background: #1e8fb8; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1rem; font-size: .86rem; }
.legend i { display: inline-block; width: .8em; height: .8em; margin-right: .35em; border-radius: 2px; }
.shown img { max-height: 640px; width: 100%; object-fit: contain; }
.shown button { height: auto; }
.scale { display: flex; align-items: center; gap: .5rem; font-size: .86rem; margin-bottom: .3rem; }
.scale i { width: 9rem; height: .7rem; border-radius: 3px; }
"""


def theme() -> Any:
    """Gradio's default theme without its web fonts."""
    import gradio as gr

    return gr.themes.Default(
        primary_hue=gr.themes.colors.cyan, neutral_hue=gr.themes.colors.slate, font=_FONT, font_mono=_MONO
    )


def banner(model: str, version: str) -> str:
    """The head of the page: whose answers these are, and what they are not for."""
    from html import escape

    return (
        f'<div class="banner"><h1>Spine ensemble</h1><span class="model">{escape(model)}, version {escape(version)}'
        f'</span><span class="warning">{escape(NOT_FOR_DIAGNOSIS)}</span></div>'
    )
