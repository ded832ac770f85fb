"""What it means that ClickHouse did not take rows: wait, get somebody, or look for the rows that it refuses."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from moose_lib.errors import MooseError


class Trouble(StrEnum):
    """What is to be done about a failure."""

    #: It passes: try again later.
    PASSING = "passing"
    #: It stays until somebody changes the table, the rights or the settings.
    TABLE = "table"
    #: It is about values: some of the rows will never be taken.
    ROWS = "rows"


class ClickHouseFailed(MooseError):
    """ClickHouse did not do what it was asked to; `code` and `name` are its own, where it answered.

    `row` is the one of an insert that it is about, counted from 1, if it says so.
    """

    exit_code = 3

    def __init__(
        self, message: str, *, code: int | None, name: str | None, row: int | None = None, hint: str | None = None
    ) -> None:
        self.code = code
        self.name = name
        self.row = row
        super().__init__(message, hint=hint)

    @property
    def trouble(self) -> Trouble:
        """What is to be done about it."""
        return classify(self.code, self.message)


_ROWS: Final = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        25,  # CANNOT_PARSE_ESCAPE_SEQUENCE
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        128,  # TOO_LARGE_ARRAY_SIZE
        130,  # CANNOT_READ_ARRAY_FROM_TEXT
        131,  # TOO_LARGE_STRING_SIZE
        153,  # ILLEGAL_DIVISION
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        376,  # CANNOT_PARSE_UUID
        395,  # FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
        407,  # DECIMAL_OVERFLOW
        441,  # CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING
        467,  # CANNOT_PARSE_BOOL
        469,  # VIOLATED_CONSTRAINT
        675,  # CANNOT_PARSE_IPV4
        676,  # CANNOT_PARSE_IPV6
        691,  # UNKNOWN_ELEMENT_OF_ENUM
    }
)
_TABLE: Final = {
    16: "the table has other columns than the model: moose-cli check",  # NO_SUCH_COLUMN_IN_TABLE
    36: "a setting of the table is wrong: see its OlapConfig",  # BAD_ARGUMENTS
    44: "an expression of its OlapConfig is wrong",  # ILLEGAL_COLUMN
    46: "an expression of its OlapConfig is wrong",  # UNKNOWN_FUNCTION
    47: "an expression of its OlapConfig is wrong",  # UNKNOWN_IDENTIFIER
    56: "the engine of its OlapConfig is wrong",  # UNKNOWN_STORAGE
    60: "the table is not there: make it, or let life_cycle be FULLY_MANAGED",  # UNKNOWN_TABLE
    62: "an expression of its OlapConfig is wrong",  # SYNTAX_ERROR
    81: "the database is not there: [clickhouse_config] db_name",  # UNKNOWN_DATABASE
    115: "a setting of its OlapConfig is wrong",  # UNKNOWN_SETTING
    164: "the user may not write: [clickhouse_config] user",  # READONLY
    170: "the cluster of its OlapConfig is not there",  # CLUSTER_DOESNT_EXIST
    192: "[clickhouse_config] user and password",  # UNKNOWN_USER
    193: "[clickhouse_config] user and password",  # WRONG_PASSWORD
    194: "[clickhouse_config] user and password",  # REQUIRED_PASSWORD
    291: "the user has not the rights: GRANT them",  # DATABASE_ACCESS_DENIED
    450: "the ttl of its OlapConfig is wrong: older servers take toDateTime(…)",  # BAD_TTL_EXPRESSION
    452: "the server's profile forbids a setting",  # SETTING_CONSTRAINT_VIOLATION
    497: "the user has not the rights: GRANT them",  # ACCESS_DENIED
    516: "[clickhouse_config] user and password",  # AUTHENTICATION_FAILED
}
#: A view that takes its rows from the table has failed, when the table may have them already.
_VIEW: Final = "while pushing to view"
_ROW: Final = re.compile(r"\bat row (\d+)\b")
#: What follows on the place of a fault: where the server was in its own code.
_TRAIL: Final = re.compile(r":? \(at row \d+\).*?(?=\([A-Z_]+\)|$)")
_VERSION: Final = re.compile(r"\s*\(version [^()]*(?:\([^()]*\))?\)")
_CODE: Final = re.compile(r"^(?:.*?Code: \d+\. )?(?:DB::Exception: )?(?:Code: \d+\. )?(?:DB::Exception: )?", re.DOTALL)


def classify(code: int | None, message: str) -> Trouble:
    """What is to be done about an error; what is not known passes, so that no row is refused for it."""
    if code in _TABLE or _VIEW in message:
        return Trouble.TABLE
    return Trouble.ROWS if code in _ROWS else Trouble.PASSING


def hint_for(code: int | None, message: str) -> str | None:
    """What somebody can do about it."""
    if _VIEW in message:
        return "a view that reads from the table fails: repair or drop it"
    return None if code is None else _TABLE.get(code)


def row_of(message: str) -> int | None:
    """The row of an insert that the error is about, counted from 1, if it says so."""
    found = _ROW.search(message)
    return None if found is None else int(found[1])


def sentence(text: str) -> str:
    """What an error says, on one line, without codes and versions around it."""
    line = " ".join(_CODE.sub("", text, count=1).split()).partition(" (for url ")[0]
    line = _TRAIL.sub(" ", _VERSION.sub("", line))
    return re.sub(r"( \([A-Z_]+\))( ?\.? ?\([A-Z_]+\))+", r"\1", line).strip(" .:,")
