"""A headless Chromium for tests of pages: Debian's chromium and chromium-driver, driven by selenium."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PATIENCE_SECONDS = 10.0
DESKTOP, PHONE = (1280, 900), (375, 812)


def chromium_or_skip(profile: Path) -> Any:
    """Start Chromium; skip the test if it is not installed."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (extra 'test')")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for word in (*QUIET, f"--user-data-dir={profile}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


@dataclass(frozen=True)
class Browser:
    """One page in the browser."""

    driver: Any
    address: str

    def start(self) -> None:
        """Open the page as on a first visit, with an empty log."""
        self.resize(DESKTOP)
        self.prefer("light")
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.open("")

    def forget(self) -> None:
        """Clear the reader's stored choices."""
        self.run("localStorage.clear()")

    def open(self, hash_: str) -> None:
        """Open the page at a ``#hash``, as from a link in another document."""
        self.driver.get("about:blank")
        self.driver.get(self.address + hash_)

    def resize(self, size: tuple[int, int]) -> None:
        """Set the size of the window's content in CSS pixels; a narrow window simulates a phone."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, scheme: str, media: str = "screen") -> None:
        """Set the preferred color scheme, ``light`` or ``dark``, and the medium, ``screen`` or ``print``."""
        wish = {"media": media, "features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", wish)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page and return its value."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        """Return the first element that matches a CSS selector."""
        return self.driver.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        """Return the text of every visible element that matches a CSS selector."""
        script = (
            "return [...document.querySelectorAll(arguments[0])].filter((one) => one.checkVisibility())"
            ".map((one) => (one.innerText ?? one.textContent).trim())"
        )
        return list(self.run(script, selector))

    def await_texts(self, selector: str, expected: list[str]) -> None:
        """Wait until the visible texts are these; the page reacts to a new ``#hash`` asynchronously."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.texts(selector) != expected and time.monotonic() < deadline:
            time.sleep(0.02)
        assert self.texts(selector) == expected

    def await_any(self, selector: str) -> list[str]:
        """Wait until an element that matches shows a text, and return the visible texts."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not any(texts := self.texts(selector)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return texts

    def press(self, *keys: str) -> None:
        """Press keys on the focused element."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def choose(self, label: str, option: str) -> None:
        """Choose an option by its visible text, in the select with this label."""
        from selenium.webdriver.support.select import Select

        label_element = self.driver.find_element("xpath", f"//label[starts-with(normalize-space(.), '{label}')]")
        Select(label_element.find_element("css selector", "select")).select_by_visible_text(option)

    def requested(self) -> list[str]:
        """Return every address requested since the start."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
