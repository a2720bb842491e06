"""A running demo and a Chromium, started when first asked for and shared by the tests of one worker."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.helpers.gallery import CHROMIUM, CHROMIUM_ARGS
from tests.journeys.demo import Demo, running_demo

PATIENCE_MILLISECONDS = 30_000

OpenWindow = Callable[..., Page]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo of `make demo`, with data of its own."""
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture(scope="module")
def screen() -> Iterator[Browser]:
    """A real Chromium. Not for the session: while its driver runs, nobody else may start one."""
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGS))
        yield browser
        browser.close()


@pytest.fixture
def open_window(screen: Browser) -> Iterator[OpenWindow]:
    """Open a window of a browser profile of its own: `open_window(locale="de-DE")`."""
    contexts = []

    def open_one(**options: Any) -> Page:
        context = screen.new_context(**options)
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        contexts.append(context)
        return context.new_page()

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def window(open_window: OpenWindow) -> Page:
    """A desktop window of an empty profile."""
    return open_window(viewport={"width": 1280, "height": 800}, locale="en-GB")
