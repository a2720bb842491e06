"""Verifiers that keep a copy of our key set go on over a rotation: PyJWT, npm jose, npm openid-client.

Nobody restarts them, and nobody tells them anything; only the clock that they read is put forward.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import jwt
import pytest
from sqlalchemy import update

from idp.core.clock import now
from idp.core.settings import load_settings
from idp.storage.db import transaction
from idp.storage.tables import SigningKeyRow
from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.dialogue import Peer, peer
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server, running_server

pytestmark = pytest.mark.interop

SCRIPT = str(Path(__file__).parent / "node" / "caching_verifiers.mjs")
NOTICED_WITHIN = 10
"""Seconds until the server knows of a key that another process changed."""
CACHES = {"PyJWT": 300, "jose": 600, "openid-client": 300}
"""Seconds for which each of them believes its copy unless told otherwise."""
COOLDOWN = 60
"""Seconds after which all of them ask again for a key that they do not know; before that they do not."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose keys this module changes, and whose ID tokens outlive what is tried here."""
    directory = tmp_path_factory.mktemp("rotating")
    with (
        fresh_backend(SQLITE, directory) as backend,
        running_server(backend, directory, IDP_LIFETIMES__ID_TOKEN="86400") as server,
    ):
        yield server


# Tokens


@dataclass(frozen=True, slots=True)
class Sample:
    """An ID token, and the answer in which it came to the application."""

    id_token: str
    url: str
    nonce: str
    state: str

    @property
    def kid(self) -> str:
        """The key that signed it."""
        return str(jwt.get_unverified_header(self.id_token)["kid"])


@pytest.fixture
def party(server: Server) -> RelyingParty:
    """An application that takes its ID tokens from the browser: that way they can be kept and shown again."""
    return server.create_client(
        token_endpoint_auth_method="none",
        skip_consent=True,
        grant_types=["implicit"],
        response_types=["id_token"],
        redirect_uris=["https://app.example.com/callback"],
    )


@pytest.fixture
def new_sample(server: Server, party: RelyingParty) -> Callable[[], Sample]:
    """Somebody signs in."""
    browser, person = server.browser(), server.create_user()

    def sample() -> Sample:
        request = party.authorization_request(response_type="id_token", code_challenge=None, code_challenge_method=None)
        callback = browser.callback(request.url, person)
        return Sample(callback["id_token"], callback.url, request.nonce or "", request.state or "")

    return sample


def sample_of_the_active_key(server: Server, new_sample: Callable[[], Sample]) -> Sample:
    """A token of the key that is to sign now, as soon as the server has noticed."""
    with server.administrator.provider() as provider:
        keys = provider.rotation.list_keys()
    (active,) = [key.kid for key in keys if (key.alg, key.state) == ("RS256", "active")]
    deadline = time.monotonic() + NOTICED_WITHIN
    while (sample := new_sample()).kid != active:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return sample


# Verifiers


class Verifier(Protocol):
    """Somebody with a copy of the key set."""

    def refusal(self, sample: Sample) -> str | None:
        """Why it does not believe a token; None if it does."""

    def wait(self, seconds: float) -> None:
        """Let time go by for it."""

    def fetched(self) -> int:
        """How often it has fetched the key set."""


class Clock:
    """In place of the module `time`: the same, further on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        return time.monotonic() + self.ahead


class CountingKeys(jwt.PyJWKClient):
    """PyJWT's client of a key set, counted."""

    count = 0

    def fetch_data(self) -> Any:
        self.count += 1
        return super().fetch_data()


class PyJwt:
    """PyJWT as an API in Python has it."""

    def __init__(self, party: RelyingParty, clock: Clock, **options: Any) -> None:
        self._party, self._clock, self._ahead = party, clock, 0.0
        self._keys = CountingKeys(party.metadata["jwks_uri"], **options)

    def refusal(self, sample: Sample) -> str | None:
        self._clock.ahead = self._ahead
        audience, issuer = self._party.client_id, self._party.issuer
        try:
            key = self._keys.get_signing_key_from_jwt(sample.id_token)
            jwt.decode(sample.id_token, key, algorithms=["RS256"], audience=audience, issuer=issuer)
        except jwt.PyJWTError as error:
            return type(error).__name__
        return None

    def wait(self, seconds: float) -> None:
        self._ahead += seconds

    def fetched(self) -> int:
        return self._keys.count


class Script:
    """One of the verifiers of the JavaScript program."""

    def __init__(self, program: Peer, name: str) -> None:
        self._program, self._name = program, name

    def refusal(self, sample: Sample) -> str | None:
        answer: str | None = self._program.ask("verify", verifier=self._name, **asdict(sample))
        return answer

    def wait(self, seconds: float) -> None:
        self._program.ask("wait", seconds=seconds)

    def fetched(self) -> int:
        return int(self._program.ask("fetched", verifier=self._name))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What PyJWT takes for the time."""
    clock = Clock()
    for module in ("jwks_client", "jwk_set_cache", "api_jwk"):
        monkeypatch.setattr(f"jwt.{module}.time", clock)
    return clock


@pytest.fixture
def verifiers(node: list[str], party: RelyingParty, clock: Clock) -> Iterator[dict[str, Verifier]]:
    """All of them, with the settings that they come with."""
    task = {"issuer": party.issuer, "client_id": party.client_id, "jwks_uri": party.metadata["jwks_uri"]}
    with peer([*node, SCRIPT], task) as one, peer([*node, SCRIPT], task) as other:
        yield {
            "PyJWT": PyJwt(party, clock),
            "jose": Script(one, "jose"),
            "openid-client": Script(other, "openid-client"),
        }


def believed(verifiers: Mapping[str, Verifier], *samples: Sample) -> dict[str, list[bool]]:
    """Whether each of them believes each token."""
    return {name: [verifier.refusal(sample) is None for sample in samples] for name, verifier in verifiers.items()}


def by_all(verifiers: Mapping[str, Verifier], *answers: bool) -> dict[str, list[bool]]:
    """What `believed` returns if all of them think the same."""
    return {name: list(answers) for name in verifiers}


def fetched(verifiers: Mapping[str, Verifier]) -> dict[str, int]:
    """How often each of them has fetched the key set."""
    return {name: verifier.fetched() for name, verifier in verifiers.items()}


# Keys


def rotate(server: Server) -> int:
    """The status of `idp keys rotate`."""
    return server.run("keys", "rotate").returncode


def age_next_keys(server: Server, seconds: float) -> None:
    """They have been published for so long."""
    with server.administrator.provider(), transaction() as database:
        published = now() - timedelta(seconds=seconds)
        database.execute(update(SigningKeyRow).where(SigningKeyRow.state == "next").values(published_at=published))


def published_before_use(server: Server) -> int:
    """The rule, in seconds."""
    return load_settings(server.settings).keys.publish_before_use


def max_age(party: RelyingParty) -> int:
    """For how long the answer itself says that it may be kept."""
    directives = party.http.get(party.metadata["jwks_uri"]).headers["Cache-Control"].split(",")
    (seconds,) = [value for name, _, value in (part.strip().partition("=") for part in directives) if name == "max-age"]
    return int(seconds)


# What they meet


def test_a_rotation_goes_unnoticed(
    server: Server, party: RelyingParty, clock: Clock, new_sample: Callable[[], Sample], verifiers: dict[str, Verifier]
) -> None:
    """KY3: the key was in everybody's copy before it signed, so that nobody ever has to ask for it."""
    seconds = max_age(party)
    # One more, who believes a copy for as long as we say, and asks for nothing before that whatever it meets.
    verifiers["obedient"] = PyJwt(party, clock, lifespan=seconds, cooldown_duration=1_000_000)
    longest = {**CACHES, "obedient": seconds}
    assert max(longest.values()) < published_before_use(server)
    age_next_keys(server, published_before_use(server))
    old = new_sample()
    assert believed(verifiers, old) == by_all(verifiers, True)
    assert rotate(server) == 0
    new = sample_of_the_active_key(server, new_sample)
    assert old.kid != new.kid
    assert believed(verifiers, new, old) == by_all(verifiers, True, True)
    assert fetched(verifiers) == dict.fromkeys(verifiers, 1)
    # The copies are as bad as can be: they were made just before the key after that was published.
    age_next_keys(server, max(longest.values()))
    assert rotate(server) != 0, "not while anybody may have such a copy"
    for name, verifier in verifiers.items():
        verifier.wait(longest[name] + 1)
    assert believed(verifiers, new, old) == by_all(verifiers, True, True)
    assert fetched(verifiers) == dict.fromkeys(verifiers, 2)
    age_next_keys(server, published_before_use(server))
    assert rotate(server) == 0
    newest = sample_of_the_active_key(server, new_sample)
    assert len({old.kid, new.kid, newest.kid}) == 3
    assert believed(verifiers, newest, new, old) == by_all(verifiers, True, True, True)
    assert fetched(verifiers) == dict.fromkeys(verifiers, 2)


def test_a_key_without_notice_is_fetched_after_a_while(
    server: Server, new_sample: Callable[[], Sample], verifiers: dict[str, Verifier]
) -> None:
    """What the rule spares everybody: a key that is forced to sign, and that nobody has seen."""
    old = new_sample()
    assert believed(verifiers, old) == by_all(verifiers, True)
    # Not by the command line: a verifier's cooldown must not run out while processes start.
    with server.administrator.provider() as provider:
        provider.rotation.rotate("RS256", force=True)
        provider.rotation.rotate("RS256", force=True)
    new = sample_of_the_active_key(server, new_sample)
    assert believed(verifiers, new, old) == by_all(verifiers, False, True)
    assert fetched(verifiers) == dict.fromkeys(verifiers, 1), "they have asked a moment ago"
    for verifier in verifiers.values():
        verifier.wait(COOLDOWN + 1)
    assert believed(verifiers, new, old) == by_all(verifiers, True, True)
    assert fetched(verifiers) == dict.fromkeys(verifiers, 2)


def test_a_withdrawn_key_is_good_until_the_copy_ends_and_no_longer(
    server: Server, party: RelyingParty, new_sample: Callable[[], Sample], verifiers: dict[str, Verifier]
) -> None:
    """`idp keys retire`: whoever has a copy goes on believing the key, for as long as it believes the copy."""
    old = new_sample()
    assert believed(verifiers, old) == by_all(verifiers, True)
    assert server.run("keys", "retire", old.kid, "--yes").returncode == 0
    new = sample_of_the_active_key(server, new_sample)
    assert old.kid not in [key["kid"] for key in party.jwks()["keys"]]
    assert believed(verifiers, new, old) == by_all(verifiers, True, True)
    assert fetched(verifiers) == dict.fromkeys(verifiers, 1)
    for name, verifier in verifiers.items():
        verifier.wait(CACHES[name] + 1)
    assert believed(verifiers, new, old) == by_all(verifiers, True, False)
