"""The addresses that mailed links lead to. The pages behind them: `signin/mailed_link`."""

from idp.core.settings import Settings
from idp.identity.credentials.mailed_proofs import IssuedProof, Purpose


def link_path(purpose: Purpose) -> str:
    """Where the links of a purpose lead, relative to the issuer."""
    return f"/link/{purpose.value}"


def link_url(settings: Settings, issued: IssuedProof) -> str:
    """The link to be mailed: made from the issuer, whatever the request says it came for (RS1)."""
    return settings.url(f"{link_path(issued.proof.purpose)}?token={issued.token}")
