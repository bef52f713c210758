"""How rows of the Admin API are read: the kinds of their fields, the base of all models, good rows and bad.

Unknown fields are kept (`model_extra`) and counted. Numbers are not tolerant: a token count that is missing
or no whole number makes its row a bad row, because a zero in its place would be a silent loss.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.redaction import excerpt

# 35 million million tokens in a row are a mistake, and panels add up in Elasticsearch's long: the sum over
# 50,000 such rows still fits.
LARGEST = 2**45
# A limit may be as good as none; no limits are added up.
_LARGEST_LIMIT = 2**60
_AMOUNT = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_LONGEST_REASON = 200

Count = Annotated[int, Field(strict=True, ge=0, le=LARGEST)]
LimitValue = Annotated[int, Field(strict=True, ge=0, le=_LARGEST_LIMIT)]


def _amount_text(value: object) -> object:
    """The decimal text as received. A JSON number is taken too, as the shortest text that means it."""
    if isinstance(value, float) and math.isfinite(value):
        value = format(Decimal(repr(value)), "f")
    elif isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        return value
    raise ValueError("an amount is a decimal number as text")


AmountText = Annotated[str, BeforeValidator(_amount_text)]
Currency = Annotated[str, StringConstraints(strip_whitespace=True)]
"""A currency's code without blanks around it, so that code and queries read it alike."""


def _or_nothing(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


# A field that is shown at most: another shape than the documented one costs the field, not its row.
Passed = WrapValidator(_or_nothing)
Text = Annotated[str | None, Passed]
Moment = Annotated[AwareDatetime | None, Passed]
Object = Annotated[dict[str, Any] | None, Passed]


class Reply(BaseModel):
    """Base of all rows: immutable, unknown fields kept. `nested` names the fields that hold replies."""

    model_config = ConfigDict(extra="allow", frozen=True)
    nested: ClassVar[tuple[str, ...]] = ()

    def unknown_fields(self) -> list[str]:
        """Dotted names of fields that this version does not know, nested ones too."""
        names = list(self.__pydantic_extra__ or ())
        for name in self.nested:
            value = getattr(self, name)
            for item in value if isinstance(value, tuple) else (value,):
                if item.__pydantic_extra__ or item.nested:
                    names += [f"{name}.{inner}" for inner in item.unknown_fields()]
        return names


R = TypeVar("R", bound=Reply)


def parse_rows(model: type[R], rows: Iterable[Any], where: str, problems: Problems) -> list[R]:
    """The good rows as `model`, in order; bad ones are counted in `problems`, named by `where` and number."""
    entries = list(rows)
    try:
        good: list[R] = _rows_adapter(model).validate_python(entries)
    except ValidationError:
        places = ((row, f"{where} row {number}") for number, row in enumerate(entries))
        replies = [parse_row(model, row, place, problems) for row, place in places]
        good = [reply for reply in replies if reply is not None]
    for reply in good:
        if names := reply.unknown_fields():
            problems.unknown(names)
    return good


@cache
def _rows_adapter(model: type[R]) -> TypeAdapter[list[R]]:
    """What reads all rows of a bucket at once: a third faster than one by one."""
    return TypeAdapter(list[model])  # type: ignore[valid-type]  # a list of a type that is a value here


def parse_row(model: type[R], row: Any, where: str, problems: Problems) -> R | None:
    """The row as `model`; None, and counted in `problems` under the name `where`, if it is bad."""
    try:
        return model.model_validate(row)
    except ValidationError as error:
        problems.refuse(where, _reason(error))
        return None


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    name = ".".join(map(str, first["loc"])) or "row"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    got = excerpt(repr(first["input"]), 40) if first["type"] != "missing" else "nothing"
    return excerpt(f"{name}: {first['msg']}, got {got}{more}", _LONGEST_REASON)
