"""Taking users over from another system, with the passwords they have there."""

from idp.engine.user_import.importer import Importer, Outcome, Result, Rules
from idp.engine.user_import.rows import Row, read_rows
from idp.engine.user_import.sources import SOURCES, Source, firebase_parameters

__all__ = [
    "SOURCES",
    "Importer",
    "Outcome",
    "Result",
    "Row",
    "Rules",
    "Source",
    "firebase_parameters",
    "read_rows",
]
