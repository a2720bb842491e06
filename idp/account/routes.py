"""The URL table of the account pages. Every view passes the guard, which checks who asks and, on POST, the form."""

from flask import Blueprint

from idp.account.overview import overview

blueprint = Blueprint("account", __name__, url_prefix="/account")

blueprint.add_url_rule("/", "overview", overview)
