"""The algorithms by which we sign for others: only those that have keys."""

from collections.abc import Sequence

from idp.core.errors import Invalid


def check_signing_alg(alg: str | None, algorithms: Sequence[str], field: str) -> None:
    """Accept an algorithm that has signing keys, or none at all. Raises Invalid."""
    if alg is not None and alg not in algorithms:
        raise Invalid(
            f"{field}: no key signs {alg}; use one of {', '.join(algorithms)}, or add it to IDP_KEYS__ALGORITHMS", field
        )
