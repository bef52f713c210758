"""A value that is not there, with the words in which tables say why. Pure."""

from __future__ import annotations


class Absent(str):
    """Nothing, in JSON, CSV and arithmetic; a table for people shows these words instead of an empty cell."""

    __slots__ = ()
