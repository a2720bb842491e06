"""Password hashes that other systems made: read once at the import, verified once at a sign-in, then replaced.

No digest of theirs is stored. What is stored is the recipe (algorithm, salt, cost) and a MAC of the digest under a key
that the database does not have: whoever reads the database alone can try no password.
"""

from idp.identity.credentials.legacy_hashes.derive import LARGEST_COSTS, derive
from idp.identity.credentials.legacy_hashes.notations import read_hash
from idp.identity.credentials.legacy_hashes.recipe import LegacyHash, Recipe

__all__ = ["LARGEST_COSTS", "LegacyHash", "Recipe", "derive", "read_hash"]
