"""`idp doctor`: what is wrong, and what to do about it.

`installation` looks at what the settings lead to, on the machine of the server. `relying_party` looks at any provider
from outside, as an application does that is about to trust it; each of its topics is a module.
"""

from idp.cli.doctor.command import doctor

__all__ = ["doctor"]
