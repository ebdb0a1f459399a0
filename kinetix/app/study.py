"""A study: the same question put to several solvers, as text or as a page."""

from __future__ import annotations

from pathlib import Path

from .answers import Answers


class Study(Answers):
    """Answers of several solvers to one problem; `reference` names the one that the others are measured from."""

    def report(self, path: str | Path) -> None:
        """Write the study as one self-contained HTML page."""
        from .sections import study_page

        study_page(self).write(path)
