"""Sample data for every page: the ordinary case, errors, and the awkward (long names, no logo, RTL)."""

from idp.web import texts
from tests.helpers.gallery_account import ACCOUNT_VARIANTS
from tests.helpers.gallery_privacy import PRIVACY_VARIANTS
from tests.helpers.gallery_recovery import RECOVERY_VARIANTS
from tests.helpers.gallery_sign_up import SIGN_UP_VARIANTS
from tests.helpers.gallery_variant import ALICE, LONG, RTL_USER, Variant

CLIENT = {
    "name": "Meridian",
    "host": "app.meridian.example",
    "logo_uri": None,
    "initial": "M",
    "policy_uri": "https://app.meridian.example/privacy",
    "tos_uri": "https://app.meridian.example/terms",
}
CLIENT_LOGO = {**CLIENT, "logo_uri": "/sample-logo.svg"}
CLIENT_LONG = {
    **CLIENT,
    "policy_uri": None,
    "tos_uri": None,
    "initial": "D",
    "name": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft Portal",
    "host": "portal.donaudampfschifffahrtselektrizitaetenhauptbetriebswerk.example",
}
CLIENT_RTL = {**CLIENT, "name": "מרידיאן", "initial": "מ"}

BACK = {"client": CLIENT, "back_url": "https://app.meridian.example/"}
SIGNED_OUT = {"return_url": "https://app.meridian.example/", "frames": [], "warned_of": None}
FRAMES = {"frames": ["about:blank", "about:blank"]}
LOGIN = {
    "username": "",
    "username_locked": False,
    "use_another_url": None,
    "cancel_url": "/signin/cancel",
    "register_url": "/signin/new-account",
    "forgotten_url": "/signin/forgotten",
    "action": "/signin/login",
}
TOTP = {"user": ALICE, "action": "/signin/totp", "start_again_url": "/signin/restart", "exhausted": False}
GROUPS = [
    {
        "title": "Your account",
        "audience": None,
        "scopes": [
            {"value": "openid", "description": "Recognise you when you come back", "optional": False},
            {"value": "profile", "description": "See your name and profile", "optional": False},
            {"value": "email", "description": "See your email address", "optional": True},
        ],
    },
    {
        "title": "Orders",
        "audience": "https://orders.example.com",
        "scopes": [
            {"value": "orders:read", "description": "See your orders", "optional": False},
            {"value": "orders:write", "description": "Place and change orders for you", "optional": True},
        ],
    },
]
CONSENT = {
    "user": ALICE,
    "use_another_url": "/signin/other",
    "groups": GROUPS,
    "claims": ["Full name", "Email address", "Picture"],
    "offline": True,
    "redirect_host": "app.meridian.example",
    "unverified_localhost": False,
    "action": "/signin/consent",
}
ACCOUNTS = [
    {"id": "1", **ALICE, "signed_in": True},
    {
        "id": "2",
        "name": "",
        "email": "alice.work@company.example",
        "initials": "A",
        "picture": None,
        "signed_in": False,
    },
]
END_SESSION = {
    "user": ALICE,
    "action": "/oauth2/logout",
    "fields": {"state": "xyz"},
    "stay_url": "https://app.meridian.example/",
}
ERROR = {
    "title": "Meridian cannot sign you in",
    "message": "The application asked to return to an address that is not registered for it.",
    "what_to_do": "Go back to the application and try again. If it happens again, tell the people who run it.",
    "actions": [("Back to Meridian", "https://app.meridian.example/")],
    "time": "2026-03-14 09:26:53 UTC",
    "details": None,
}
HOME = {
    "user": None,
    "applications": [],
    "issuer": "https://id.example.com",
    "sign_in_url": "/signin",
    "account_url": "/account/",
    "sign_out_url": "/oauth2/logout",
    "discovery_url": "https://id.example.com/.well-known/openid-configuration",
}
APPLICATIONS = [
    {"view": CLIENT, "url": "https://app.meridian.example/start?iss=https%3A%2F%2Fid.example.com"},
    {"view": CLIENT_LONG, "url": "https://example.com/"},
    {"view": {**CLIENT, "name": "Tally", "initial": "T", "host": None}, "url": "https://tally.example/"},
]
FAILED = [{"field": "username", "message": texts.SIGN_IN_FAILED}]


VARIANTS = (
    *ACCOUNT_VARIANTS,
    *RECOVERY_VARIANTS,
    *SIGN_UP_VARIANTS,
    *PRIVACY_VARIANTS,
    Variant("login", "signin/login.html", {**LOGIN, **BACK}),
    Variant("login-logo", "signin/login.html", {**LOGIN, **BACK, "client": CLIENT_LOGO}),
    Variant("login-plain", "signin/login.html", {**LOGIN, "cancel_url": None}),
    Variant("login-failed", "signin/login.html", {**LOGIN, **BACK, "username": "alice@example.com", "errors": FAILED}),
    Variant(
        "login-empty",
        "signin/login.html",
        {
            **LOGIN,
            **BACK,
            "errors": [
                {"field": "username", "message": texts.ENTER_EMAIL},
                {"field": "password", "message": texts.ENTER_PASSWORD},
            ],
        },
    ),
    Variant(
        "login-throttled",
        "signin/login.html",
        {
            **LOGIN,
            **BACK,
            "errors": [{"field": None, "message": "Too many attempts. Try again in 4 minutes."}],
        },
    ),
    Variant(
        "login-again",
        "signin/login.html",
        {
            **LOGIN,
            **BACK,
            "username": "alice@example.com",
            "username_locked": True,
            "use_another_url": "/signin/other",
        },
    ),
    Variant(
        "login-long",
        "signin/login.html",
        {
            **LOGIN,
            "client": CLIENT_LONG,
            "username": LONG["email"],
            "username_locked": True,
            "use_another_url": "/signin/other",
            "errors": [{"field": "password", "message": texts.PASSWORD_INCORRECT}],
        },
    ),
    Variant("login-de", "signin/login.html", {**LOGIN, **BACK, "errors": FAILED}, "de"),
    Variant(
        "login-rtl",
        "signin/login.html",
        {**LOGIN, **BACK, "client": CLIENT_RTL, "username": "lior@example.co.il"},
        "he",
    ),
    Variant("totp", "signin/totp.html", {**TOTP, **BACK}),
    Variant(
        "totp-failed",
        "signin/totp.html",
        {
            **TOTP,
            **BACK,
            "user": LONG,
            "errors": [{"field": "code", "message": texts.CODE_INCORRECT}],
        },
    ),
    Variant("totp-rtl", "signin/totp.html", {**TOTP, **BACK, "user": RTL_USER, "client": CLIENT_RTL}, "he"),
    Variant(
        "select-account", "signin/select_account.html", {"accounts": ACCOUNTS, "action": "/signin/account", **BACK}
    ),
    Variant(
        "select-account-long",
        "signin/select_account.html",
        {
            "accounts": [*ACCOUNTS, {"id": "3", **LONG, "signed_in": True}],
            "action": "/signin/account",
            "client": CLIENT_LONG,
            "errors": [{"field": None, "message": "Choose an account from the list"}],
        },
    ),
    Variant(
        "select-account-rtl",
        "signin/select_account.html",
        {
            "accounts": [{"id": "1", **RTL_USER, "signed_in": True}, *ACCOUNTS[1:]],
            "action": "/signin/account",
            **BACK,
        },
        "he",
    ),
    Variant("consent", "signin/consent.html", {**CONSENT, **BACK}),
    Variant(
        "consent-logo",
        "signin/consent.html",
        {
            **CONSENT,
            **BACK,
            "client": CLIENT_LOGO,
            "groups": GROUPS[:1],
            "claims": [],
            "offline": False,
        },
    ),
    Variant(
        "consent-local",
        "signin/consent.html",
        {
            **CONSENT,
            "client": {**CLIENT_LONG, "host": "localhost"},
            "user": LONG,
            "redirect_host": "localhost:9000",
            "unverified_localhost": True,
            "errors": [{"field": None, "message": texts.CHOOSE_DECISION}],
        },
    ),
    Variant("consent-de", "signin/consent.html", {**CONSENT, **BACK}, "de"),
    Variant("consent-rtl", "signin/consent.html", {**CONSENT, **BACK, "user": RTL_USER, "client": CLIENT_RTL}, "he"),
    Variant(
        "totp-exhausted",
        "signin/totp.html",
        {**TOTP, "exhausted": True, "errors": ({"field": None, "message": texts.TOO_MANY_CODES},)},
    ),
    Variant("expired", "signin/expired.html", {**BACK, "reason": "expired", "start_url": "/oauth2/authorize"}),
    Variant("finished", "signin/expired.html", {**BACK, "reason": "finished", "start_url": None}),
    Variant("no-cookie", "signin/expired.html", {"reason": "no-cookie", "start_url": None}),
    Variant("logout", "oauth/end_session.html", {**END_SESSION, **BACK}),
    Variant("logout-plain", "oauth/end_session.html", {**END_SESSION, "user": LONG}),
    Variant("logout-rtl", "oauth/end_session.html", {**END_SESSION, "user": RTL_USER, "client": CLIENT_RTL}, "he"),
    Variant("logged-out", "oauth/logged_out.html", {**SIGNED_OUT, "client": CLIENT}),
    Variant(
        "logged-out-unvouched",
        "oauth/logged_out.html",
        {**SIGNED_OUT, **FRAMES, "client": CLIENT, "warned_of": "app.meridian.example"},
    ),
    Variant("logged-out-plain", "oauth/logged_out.html", {**SIGNED_OUT, "return_url": None}),
    Variant("logged-out-frames", "oauth/logged_out.html", {**SIGNED_OUT, **FRAMES, "return_url": None}),
    # With scripts the page goes on at once; here that leads nowhere.
    Variant("logged-out-onward", "oauth/logged_out.html", {**SIGNED_OUT, **FRAMES, **BACK, "return_url": "#"}),
    Variant(
        "logged-out-onward-rtl",
        "oauth/logged_out.html",
        {**SIGNED_OUT, **FRAMES, "client": CLIENT_RTL, "return_url": "#"},
        "he",
    ),
    Variant(
        "form-post",
        "oauth/form_post.html",
        {
            "client": CLIENT,
            "target": "/landed",
            "fields": {"code": 'a"b<c>&', "state": "x'y\u2028z", "iss": "https://id.example.com", "submit": "clobber"},
        },
    ),
    Variant("error", "web/error.html", {**ERROR, "client": CLIENT}),
    Variant(
        "error-developer",
        "web/error.html",
        {
            **ERROR,
            "client": CLIENT_LONG,
            "actions": [("Start again", "/"), ("Get help", "/help")],
            "details": {
                "received": "https://app.meridian.example:8443/callback/with/a/very/long/path?and=query",
                "client_id": "demo",
            },
        },
    ),
    Variant(
        "error-internal",
        "web/error.html",
        {
            **ERROR,
            "title": "Something broke on our side",
            "what_to_do": None,
            "actions": [],
            "message": "The server ran into a condition it did not expect.",
        },
    ),
    Variant("error-rtl", "web/error.html", {**ERROR, "client": CLIENT_RTL}, "he"),
    Variant(
        "unvouched",
        "oauth/unvouched.html",
        {"client": CLIENT, "target": "https://app.meridian.example/cb", "fields": {}, "host": "app.meridian.example"},
    ),
    Variant("home", "web/home.html", HOME),
    Variant("home-user", "web/home.html", {**HOME, "user": ALICE}),
    Variant("home-de", "web/home.html", {**HOME, "user": LONG}, "de"),
    Variant("home-apps", "web/home.html", {**HOME, "user": ALICE, "applications": APPLICATIONS}),
)
