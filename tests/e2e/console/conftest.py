"""A browser for the console: Debian's chromium, headless, which talks to this machine alone."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, async_playwright
from visitor import KEY, WIDE, Visitor

from orchestrator.config.model import Config
from orchestrator.service import Service, start_service

QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
Visit = Callable[..., Awaitable[Visitor]]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    binary = shutil.which("chromium")
    if binary is None:
        installable = shutil.which("apt-get") is not None and os.getuid() == 0
        # The same question that deploy/install-chromium.sh asks.
        (pytest.fail if installable else pytest.skip)("chromium is missing: `make chromium`")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=binary, args=QUIET)
        yield started
        await started.close()


@pytest.fixture
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Opens browsers: `await visit(base_url, key=None, dark=False, size=WIDE)`.

    What a page complains about in the end is a failure of its test, unless it `may_complain`.
    """
    visitors: list[Visitor] = []
    async with AsyncExitStack() as stack:

        async def start(
            base_url: str,
            key: str | None = None,
            dark: bool = False,
            size: tuple[int, int] = WIDE,
            **settings: Any,
        ) -> Visitor:
            context: BrowserContext = await browser.new_context(
                color_scheme="dark" if dark else "light",
                viewport={"width": size[0], "height": size[1]},
                reduced_motion="reduce",
                **settings,
            )
            stack.push_async_callback(context.close)
            await context.add_init_script(_WATCH)
            if key is not None:
                await context.add_init_script(f"sessionStorage.setItem('coterie.key', '{key}')")
            visitor = Visitor(await context.new_page(), base_url)
            visitors.append(visitor)
            return visitor

        yield start
        held = [visitor for visitor in visitors if not visitor.may_complain]
        for visitor in held:
            visitor.complaints += await visitor.page.evaluate("window.violations ?? []")
    assert [complaint for one in held for complaint in one.complaints] == []


@pytest.fixture(scope="session")
async def scripted(upstream: Any) -> AsyncIterator[Service]:
    """A service that asks for a key, and whose experts say what the question tells them to."""
    about = "does as it is told"
    expert = {"type": "openai", "base_url": upstream.base_url, "about": about}
    config = Config.model_validate(
        {
            "experts": {name: {**expert, "model": name} for name in ("tiny", "other")},
            "routers": {"both": {"type": "static", "expert": ["tiny", "other"]}},
            "compositions": {
                "pool/vote": {
                    "router": "both",
                    "aggregator": {"type": "vote", "stop_at": None},
                    "experts": 2,
                    "about": "two of them vote",
                },
                "pool/debate": {
                    "router": "both",
                    "aggregator": {"type": "debate", "rounds": 1},
                    "experts": 2,
                    "about": "two of them hear each other",
                },
            },
            "server": {
                "api_keys": {"visitor": {"key": KEY}},
                "comment_after_s": 0.1,
                "comment_interval_s": 0.1,
            },
            "store": "memory",
        }
    )
    running = await start_service(config, on_event=print, port=0)
    yield running
    await running.stop()
