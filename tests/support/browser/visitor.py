"""Somebody who looks at the console with a browser, and what their page complains about."""

from importlib.resources import files

from playwright.async_api import ConsoleMessage, Dialog, Page, Request
from repository import ROOT

SCREENSHOTS = ROOT / "out" / "screenshots"
KEY = "sk-console-0123456789"
WIDE, PHONE = (1360, 900), (375, 760)
AXE = files("axe_playwright_python") / "axe.min.js"
SEVERE = ("serious", "critical")


class Visitor:
    """Somebody with a browser of their own, and what their page has complained about."""

    def __init__(self, page: Page, base_url: str) -> None:
        self.page = page
        self.base_url = base_url
        self.complaints: list[str] = []
        self.may_complain = False
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._request)
        page.on("dialog", self._dialog)

    async def _dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.base_url, "data:", "blob:")):
            self.complaints.append(f"request: {request.url}")

    async def open(self, path: str = "/") -> Page:
        """Go to a page of the console."""
        await self.page.goto(f"{self.base_url}{path}")
        return self.page

    async def ask(self, question: str, model: str | None = None, beside: str = "") -> None:
        """Ask a question, for the likeliest answer, and do not wait for it."""
        if model is not None:
            await self.page.get_by_label("Model", exact=True).select_option(model)
            await self.page.get_by_label("Side by side with").select_option(beside)
        await self.page.locator(".more").evaluate("one => (one.open = true)")
        await self.page.get_by_label("Temperature").fill("0")
        await self.page.get_by_label("Question", exact=True).fill(question)
        await self.page.get_by_role("button", name="Send").click()

    async def answered(self, count: int = 1) -> list[str]:
        """The texts of all answers, once there are so many and all are whole."""
        whole = self.page.locator(".answer[aria-busy=false]")
        await whole.nth(count - 1).wait_for()
        return [text.strip() for text in await whole.locator(".text").all_inner_texts()]

    async def picture(self, name: str, *, whole: bool = False) -> None:
        """A screenshot, `out/screenshots/NAME.png`; `whole`: on a screen that is high enough."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        size = self.page.viewport_size
        assert size is not None
        if whole:
            height = await self.page.evaluate("document.documentElement.scrollHeight")
            await self.page.set_viewport_size({**size, "height": height})
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png")
        await self.page.set_viewport_size(size)

    async def severe_faults(self) -> list[str]:
        """What axe-core finds serious or critical on the page."""
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = await self.page.evaluate("axe.run()")
        return [
            f"{fault['id']}: {node['target']} {node['failureSummary']}"
            for fault in found["violations"]
            if fault["impact"] in SEVERE
            for node in fault["nodes"]
        ]
