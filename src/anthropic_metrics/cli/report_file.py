"""The file that `report` writes: its format, and whether it can be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from anthropic_metrics.errors import ConfigError
from anthropic_metrics.finance.save import check_target, save
from anthropic_metrics.finance.workbook import require_xlsxwriter


class FileFormat(StrEnum):
    """What kind of file a report is."""

    html = "html"
    xlsx = "xlsx"
    csv = "csv"
    json = "json"
    focus = "focus"


class FocusVersion(StrEnum):
    """The release of FOCUS whose names a file has."""

    v1_2 = "1.2"
    v1_3 = "1.3"


@dataclass(frozen=True)
class ReportFile:
    """The file to write."""

    path: Path
    format: FileFormat
    overwrite: bool
    bom: bool
    focus_version: FocusVersion

    def check(self, by: Sequence[str] | None) -> None:
        """`ConfigError` where options exclude each other or the file cannot be written."""
        if self.bom and self.format not in (FileFormat.csv, FileFormat.focus):
            raise ConfigError(f"--bom: {self.format} cannot have a byte order mark; csv and focus can")
        if self.format is FileFormat.focus and by:
            raise ConfigError("--by: a FOCUS file always has every row; group them in the tool that reads it")
        if self.format is FileFormat.xlsx:
            require_xlsxwriter()
        check_target(self.path, overwrite=self.overwrite)

    def save(self, content: bytes) -> None:
        """Write the file whole, or leave what is there. Raises ConfigError."""
        save(self.path, content, overwrite=self.overwrite)


def format_of(output: Path) -> FileFormat:
    """What the file's name ends in."""
    ending = output.suffix.lower().removeprefix(".")
    if ending in ("html", "xlsx", "csv", "json"):
        return FileFormat(ending)
    raise ConfigError("--output: the name does not end in .html, .xlsx, .csv or .json; give --format")
