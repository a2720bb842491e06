"""The German catalogue is complete, and what is compiled is what is written."""

import re

import pytest
from flask import Flask
from flask_babel import Babel, force_locale

from idp.core.resources import translations_dir
from idp.web import texts
from tests.helpers.catalogue import LANGUAGES, compiled, extracted, load, po_path

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")
pytestmark = pytest.mark.parametrize("language", LANGUAGES)


def strings(value: str | tuple[str, ...] | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def test_every_message_is_translated(language: str) -> None:
    catalogue = load(language)
    missing = []
    for message in extracted():
        if not message.id:
            continue
        translation = catalogue.get(strings(message.id)[0], message.context)
        if translation is None or not all(strings(translation.string)) or translation.fuzzy:
            missing.append(message.id)
    assert missing == [], "run: python -m tests.helpers.catalogue, and fill in what is new"


def test_nothing_is_translated_that_nobody_says(language: str) -> None:
    said = {strings(message.id)[0] for message in extracted()}
    assert [message.id for message in load(language) if strings(message.id)[0] not in said] == []


def test_placeholders_survive(language: str) -> None:
    for message in load(language):
        if not message.id:
            continue
        wanted = set(PLACEHOLDER.findall(" ".join(strings(message.id))))
        for translation in strings(message.string):
            assert set(PLACEHOLDER.findall(translation)) == wanted, message.id


def test_the_compiled_catalogue_is_current(language: str) -> None:
    """`.mo` files are committed, because an installed wheel has no compiler."""
    assert po_path(language).with_suffix(".mo").read_bytes() == compiled(load(language))


def test_texts_speak_the_language_of_the_request(language: str) -> None:
    app = Flask("texts")
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(translations_dir())
    Babel(app)
    with app.test_request_context():
        assert str(texts.SIGN_IN_FAILED) == "Email or password is incorrect"
        assert texts.too_many_attempts(30) == "Too many attempts. Try again in a minute."
        assert texts.too_many_attempts(61) == "Too many attempts. Try again in 2 minutes."
        assert texts.too_many_attempts(2 * 3600) == "Too many attempts. Try again in 2 hours."
        assert texts.claim_label("given_name") == "First name"
        assert texts.claim_label("shoe_size") == "shoe_size"
        with force_locale(language):
            assert str(texts.SIGN_IN_FAILED) != "Email or password is incorrect"
            assert texts.scope_description("email") != "See your email address"
