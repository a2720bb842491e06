"""Looking for bytes inside of stored bytes, which every database says in its own words."""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, LargeBinary, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class ContainsBytes(FunctionElement[bool]):
    """True if `fragment` is found in the column. No index helps: for rare questions to small tables."""

    name = "contains_bytes"
    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], fragment: bytes) -> None:
        super().__init__(column, literal(fragment, LargeBinary))


@compiles(ContainsBytes, "sqlite")
def _instr(element: ContainsBytes, compiler: SQLCompiler, **options: Any) -> str:
    return f"(instr({compiler.process(element.clauses, **options)}) > 0)"


@compiles(ContainsBytes, "postgresql")
def _position(element: ContainsBytes, compiler: SQLCompiler, **options: Any) -> str:
    column, fragment = (compiler.process(clause, **options) for clause in element.clauses)
    return f"(position({fragment} in {column}) > 0)"
