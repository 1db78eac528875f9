"""The dashboard on a port of its own, with a real Redis and a real browser."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import httpx2
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from kong_plugins.aws_masker.dashboard.access import Access
from kong_plugins.aws_masker.dashboard.app import Dashboard
from kong_plugins.aws_masker.dashboard.playground import Playground
from kong_plugins.aws_masker.dashboard.server import DashboardServer
from kong_plugins.aws_masker.dashboard.sources import Source
from kong_plugins.aws_masker.observe.metrics import Metrics
from kong_plugins.aws_masker.observe.observer import Observer, observer_of
from kong_plugins.aws_masker.proxy.server import listen
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.address import address_of
from tests.vault.servers import PATIENCE, Server, wait_for

PASSWORD = "a password of the tests"
KEY = bytes(range(32))


@dataclass
class Site:
    """A dashboard that runs."""

    url: str
    dashboard: Dashboard


Open = Callable[..., Site]


@contextmanager
def site(redis: Server | None = None, sources: tuple[str, ...] = (), **options: Any) -> Iterator[Site]:
    """Run a dashboard in a thread; `options` are those of the settings that say how to get into Redis."""
    where = address_of(Settings(redis_host="127.0.0.1", redis_port=redis.port, **options), {}) if redis else None
    dashboard = Dashboard(
        Access(PASSWORD), Playground(Settings(), KEY), [Source(one) for one in sources], where, tls=False
    )
    started = threading.Event()
    with listen("127.0.0.1", 0) as listener:
        server = DashboardServer(dashboard, started.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        assert started.wait(PATIENCE)
        try:
            yield Site(f"http://127.0.0.1:{listener.getsockname()[1]}", dashboard)
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.fixture
def open_site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Run dashboards for one test, which tell and look more often, so that the test is shorter."""
    for place in ("app._TICK", "sources.PERIOD", "listening._PERIOD"):
        monkeypatch.setattr(f"kong_plugins.aws_masker.dashboard.{place}", 0.2)
    with ExitStack() as stack:
        yield lambda *arguments, **named: stack.enter_context(site(*arguments, **named))


@pytest.fixture
def observer(redis: Server) -> Iterator[Observer]:
    """Publishes to that Redis as a proxy does."""
    settings = Settings(redis_host="127.0.0.1", redis_port=redis.port, redis_events=True)
    one = observer_of(settings, {}, Metrics())
    yield one
    one.close()


class Browser:
    """Chromium, and what the tests ask of it."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def text(self, selector: str) -> str:
        """Return the text that is seen there."""
        return self.texts(selector)[0]

    def texts(self, selector: str) -> list[str]:
        """Return the texts that are seen, all of one moment: the page changes by itself."""
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText)"
        return [str(text).replace("\t", " ") for text in self.driver.execute_script(script, selector)]

    def attribute(self, selector: str, name: str) -> str:
        """Return an attribute of the first such element."""
        script = "return document.querySelector(arguments[0]).getAttribute(arguments[1])"
        return str(self.driver.execute_script(script, selector, name))

    def paste(self, text: str) -> None:
        """Paste a text into the playground, and mask it."""
        self.driver.execute_script("document.getElementById('text').value = arguments[0]", text)
        self.driver.find_element(By.ID, "text").send_keys(Keys.CONTROL + Keys.ENTER)

    def type(self, *keys: str) -> None:
        """Press keys where the focus is."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def focused(self) -> str:
        """Return what tells the element that has the focus: its id, or its text."""
        one = self.driver.switch_to.active_element
        return one.get_attribute("id") or one.text

    def sign_in(self, url: str, password: str = PASSWORD) -> None:
        self.driver.get(url)
        self.type(password, "\n")

    def entered(self, url: str) -> None:
        """Sign in, and wait until the page is live."""
        self.sign_in(url)
        self.shows("#connection", "live")

    def shows(self, selector: str, text: str) -> None:
        """Wait until `text` is to be read there."""
        wait_for(lambda: any(text in one for one in self.texts(selector)), f"{text} in {selector}")

    def log(self) -> list[str]:
        """Return what the browser has complained of: violations of the policy, errors, pages that failed."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def scheme(self, name: str, width: int) -> None:
        """Prefer `light` or `dark`, in a window of `width` pixels."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        feature = {"name": "prefers-color-scheme", "value": name}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


@pytest.fixture(scope="session")
def _driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.skip("chromium and its driver are not installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    profile: Path = tmp_path_factory.mktemp("chromium")
    for switch in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--force-prefers-reduced-motion",
        "--lang=en-GB",
        "--window-size=1280,900",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    yield driver
    driver.quit()


@pytest.fixture
def browser(_driver: webdriver.Chrome) -> Iterator[Browser]:
    """A browser without cookies."""
    one = Browser(_driver)
    _driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    _driver.get_log("browser")  # type: ignore[no-untyped-call]
    yield one
    _driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    _driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    _driver.get("about:blank")


class Visitor:
    """A client that is signed in, or not yet."""

    def __init__(self, url: str) -> None:
        self.client = httpx2.Client(base_url=url, timeout=PATIENCE, trust_env=False)

    def token(self) -> str:
        """Return what the form on the page brings along."""
        return unescape(
            self.client.get("/login", follow_redirects=True).text.split('name="token" value="')[1].split('"')[0]
        )

    def sign_in(self, password: str = PASSWORD, **fields: str) -> httpx2.Response:
        return self.client.post("/login", data={"token": self.token(), "password": password, **fields})

    def live(self, done: Callable[[list[Told]], Any], minutes: int = 60, after: int = 0) -> list[Told]:
        """Return what the stream tells, as soon as that is enough for `done`."""
        told: list[Told] = []
        with self.client.stream("GET", f"/live?minutes={minutes}&after={after}") as response:
            assert response.status_code == 200
            kind = ""
            for line in response.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                if name == "data":
                    told.append((kind, json.loads(value)))
                    if done(told):
                        return told
        raise AssertionError("the stream has ended")


Told = tuple[str, dict[str, Any]]


def news(told: list[Told]) -> list[dict[str, Any]]:
    """Return the events that were told."""
    return [data for kind, data in told if kind == "news"]


def last_state(told: list[Told]) -> dict[str, Any]:
    """Return the last state that was told."""
    return [data for kind, data in told if kind == "state"][-1]


@pytest.fixture
def visit() -> Iterator[Callable[[Site], Visitor]]:
    """Sign in."""
    visitors: list[Visitor] = []

    def _visit(one: Site) -> Visitor:
        visitors.append(Visitor(one.url))
        assert visitors[-1].sign_in().status_code == 303
        return visitors[-1]

    yield _visit
    for visitor in visitors:
        visitor.client.close()
