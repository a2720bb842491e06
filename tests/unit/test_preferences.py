"""Themes, and mail that somebody asked for."""

from datetime import timedelta
from pathlib import Path

import pytest
import time_machine

from idp.core.clock import now
from idp.core.errors import Invalid, NotFound
from idp.core.events import Event
from idp.identity.directory.preferences import Preferences
from tests.helpers.identity import House

STYLES = Path(__file__).resolve().parents[2] / "static" / "idp.css"


@pytest.fixture
def preferences(house: House) -> Preferences:
    return Preferences(house.audit)


def test_a_theme_is_kept_and_taken_back(house: House, preferences: Preferences) -> None:
    user = house.person()
    assert user.theme is None
    for theme in ("dark", "light", None):
        preferences.set_theme(user.id, theme, actor="user:ada")
        preferences.set_theme(user.id, theme)
        found = house.users.get(user.id)
        assert found is not None
        assert found.theme == theme
        assert found.updated_at == user.updated_at  # no claim, nothing for applications
    assert [event.details for event in house.events(Event.PREFERENCES_CHANGED)] == [
        {"theme": theme} for theme in ("system", "light", "dark")
    ]


def test_nobody_has_no_theme_and_there_are_only_two(house: House, preferences: Preferences) -> None:
    with pytest.raises(Invalid):
        preferences.set_theme(house.person().id, "pink")
    with pytest.raises(NotFound):
        preferences.set_theme("nobody", "dark")
    with pytest.raises(NotFound):
        preferences.decide_mail("nobody", {"tips": True})
    with pytest.raises(Invalid):
        preferences.decide_mail("nobody", {"security": False})


def test_mail_is_wanted_from_the_moment_somebody_says_so(house: House, preferences: Preferences) -> None:
    user = house.person()
    preferences.decide_mail(user.id, {"tips": False, "product_news": False})
    assert preferences.mail(user.id) == {}  # nothing was ever asked for
    with time_machine.travel(now() - timedelta(days=3), tick=False):
        asked_at = now()
        preferences.decide_mail(user.id, {"tips": True, "product_news": False})
    preferences.decide_mail(user.id, {"tips": True})
    assert preferences.mail(user.id)["tips"].decided_at == asked_at
    preferences.decide_mail(user.id, {"tips": False})
    withdrawn = preferences.mail(user.id)["tips"]
    assert (withdrawn.is_wanted, withdrawn.decided_at > asked_at) == (False, True)
    assert [event.details for event in house.events(Event.PREFERENCES_CHANGED)] == [
        {"mail": {"tips": False}},
        {"mail": {"tips": True}},
    ]


def test_dark_is_dark_whoever_asked_for_it() -> None:
    """The tokens stand twice in the sheet, for the device's preference and for the person's."""
    styles = STYLES.read_text()
    device = styles.partition(':root:not([data-theme="light"]) {')[2].partition("}")[0]
    person = styles.partition(':root[data-theme="dark"] {')[2].partition("}")[0]
    tokens = [line.strip() for line in device.splitlines() if line.strip().startswith("--")]
    assert tokens
    assert tokens == [line.strip() for line in person.splitlines() if line.strip().startswith("--")]
