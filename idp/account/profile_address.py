"""The form with the postal address (OpenID Connect Core §5.1.1)."""

from collections.abc import Mapping
from typing import Any, Final

from flask import request, url_for
from flask.typing import ResponseReturnValue

from idp.account.claim_forms import CHANGED_MEANWHILE, checked, editable, field_label, posted, save
from idp.account.guard import Account, account_page
from idp.account.notices import PROFILE_SAVED, redirect_with
from idp.account.pages import PROFILE, render_account
from idp.account.profile import address_lines
from idp.web.pages import PageError
from idp.web.provider import current_provider

CLAIM: Final = "address"
_AUTOCOMPLETE: Final = {
    "street_address": "street-address",
    "postal_code": "postal-code",
    "locality": "address-level2",
    "region": "address-level1",
    "country": "country-name",
}


@account_page()
def profile_address(account: Account) -> ResponseReturnValue:
    """GET and POST /account/profile/address."""
    editable((CLAIM,))
    stored = account.user.address or {}
    if request.method == "GET":
        return _page(account, {name: str(stored.get(name) or "") for name in _AUTOCOMPLETE})
    entered = posted(_AUTOCOMPLETE)
    values = {CLAIM: _address(entered)}
    errors = checked(values)
    if errors:
        return _page(account, entered, errors=errors, status=422, seen=request.form.get("seen"))
    if not save(account, values):
        user = current_provider().users.get(account.user.id) or account.user
        error = PageError(None, CHANGED_MEANWHILE)
        return _page(Account(user, account.session), entered, errors=(error,), status=409, is_conflict=True)
    return redirect_with(PROFILE_SAVED, url_for("account.profile"))


def _address(entered: Mapping[str, str]) -> dict[str, str] | None:
    """The claim. Its `formatted` is made anew, so that it never says another place than the parts do."""
    parts = {name: text.replace("\r\n", "\n") for name, text in entered.items() if text}
    return parts | {"formatted": "\n".join(address_lines(parts))} if parts else None


def _page(
    account: Account,
    entered: Mapping[str, str],
    *,
    errors: tuple[PageError, ...] = (),
    status: int = 200,
    seen: str | None = None,
    is_conflict: bool = False,
) -> ResponseReturnValue:
    stored: dict[str, Any] | None = account.user.address
    return render_account(
        account,
        "account/profile_address.html",
        section=PROFILE.endpoint,
        status=status,
        errors=errors,
        seen=seen or account.user.version((CLAIM,)),
        stored_lines=address_lines(stored) if is_conflict else None,
        fields={
            name: {"label": field_label(name), "value": entered.get(name, ""), "autocomplete": token}
            for name, token in _AUTOCOMPLETE.items()
        },
        back=url_for("account.profile"),
    )
