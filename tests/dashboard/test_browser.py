"""In a real browser: what people see, by mouse or keyboard, in light and dark, with nothing that the policy forbids."""

from __future__ import annotations

import time
from importlib.resources import files

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.observe.metrics import Metrics
from kong_plugins.aws_masker.observe.observer import Observer, observer_of
from kong_plugins.aws_masker.observe.record import AnswerRecord, RequestRecord
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Text
from tests.cli.conftest import PLANTED, TEXT
from tests.dashboard.conftest import KEY, Browser, Open
from tests.vault.servers import Server, wait_for


def tell(observer: Observer, name: str = "r1", tenant: str = "team-a") -> None:
    """Tell of a request and its answer."""
    masked, spent = {"bucket": 2, "secret_key": 1}, {"mask": 0.004}
    observer.request(
        RequestRecord(name, "proxy", tenant, "anthropic", "messages", masked=masked, time=time.time(), seconds=spent)
    )
    observer.answer(AnswerRecord(name, "proxy", tenant, "anthropic", time.time(), {"bucket": 2}, forgotten=1))


def test_signing_in_and_out(open_site: Open, browser: Browser) -> None:
    """A wrong password is told to be wrong; the right one opens the page, and there is a way out."""
    url = open_site().url
    browser.sign_in(url, "not the password")
    browser.shows("[role=alert]", "That is not the password.")
    assert "not the password" not in browser.driver.current_url
    browser.entered(url)
    assert browser.driver.current_url == f"{url}/"
    browser.driver.find_element(By.CSS_SELECTOR, "header button").click()
    wait_for(lambda: browser.driver.current_url == f"{url}/login", "the door")
    browser.driver.get(url)
    assert browser.driver.current_url == f"{url}/login"
    assert [line for line in browser.log() if "401" not in line] == []


def test_events_are_live(open_site: Open, browser: Browser, redis: Server, observer: Observer) -> None:
    """A request told by the real observer appears without a reload: events, figures, tenant, chart; pause holds."""
    browser.entered(open_site(redis).url)
    browser.shows("#parts", "answers in")
    tell(observer)
    browser.shows("#feed", "anthropic/messages")
    browser.shows("#feed", "bucket 2, secret_key 1")
    browser.shows("#feed", "team-a · proxy · r1")
    assert len(browser.texts("#feed li")) == 4
    browser.shows("#tiles", "Values masked\n3")
    browser.shows("#tiles", "Restore misses\n1")
    browser.shows("#rows", "team-a anthropic messages 1 3 0")
    assert "3 values" in browser.attribute("#values svg", "aria-label")
    browser.driver.find_element(By.CSS_SELECTOR, "#values summary").click()  # the chart as a table
    browser.shows("#values thead", "Time bucket secret_key")
    assert browser.texts("#values tbody tr")[0].split()[1:] == ["2", "1"]
    browser.driver.find_element(By.ID, "pause").click()
    tell(observer, "r2", "<b>team-b</b>")
    browser.shows("#pause", "Go on (4 wait)")
    assert len(browser.texts("#feed li")) == 4
    browser.driver.find_element(By.ID, "pause").click()
    browser.shows("#feed", "<b>team-b</b> · proxy · r2")
    browser.driver.find_element(By.CSS_SELECTOR, "input[value='15']").click()
    browser.shows("#tiles", "Requests\n2")
    assert len(browser.texts("#feed li")) == 8  # the new stream repeats none
    assert browser.log() == []


def test_playground(open_site: Open, browser: Browser) -> None:
    """A pasted text is masked and restored side by side, each value and placeholder under its family."""
    browser.entered(open_site().url)
    browser.paste(TEXT)
    browser.shows("#verdict", "9 values of 9 families masked. Restored, the text is the same, byte for byte.")
    (masked,) = Masker(Settings(), KEY).session().mask([Text(TEXT.encode())])
    assert masked is not None
    assert browser.text("#masked").split() == masked.decode().split()
    assert browser.text("#restored").split() == TEXT.split()
    marks = browser.driver.find_elements(By.CSS_SELECTOR, "#restored mark")
    assert {str(one.get_attribute("data-family")): one.text.replace("\n", "") for one in marks} == PLANTED
    shown = [one.get_attribute("data-family") for one in browser.driver.find_elements(By.CSS_SELECTOR, "#masked mark")]
    assert shown == [one.get_attribute("data-family") for one in marks]
    assert {line.split()[0]: line.split()[1] for line in browser.texts("#mapping tr")} == PLANTED
    assert not any(value in browser.driver.current_url for value in PLANTED.values())
    assert browser.log() == []


def test_by_keyboard(open_site: Open, browser: Browser) -> None:
    """From the door to a masked text and out without a mouse; the focus is to be seen wherever it goes."""
    url = open_site().url
    browser.entered(url)
    browser.type(Keys.TAB)
    assert browser.focused() == "Skip to the figures"
    assert browser.driver.switch_to.active_element.location["x"] >= 0
    browser.type(Keys.ENTER)
    browser.type(Keys.TAB)
    assert browser.driver.switch_to.active_element.get_attribute("value") == "60"
    seen = []
    while browser.focused() != "text":
        browser.type(Keys.TAB)
        outline = browser.driver.switch_to.active_element.value_of_css_property("outline-style")
        seen.append((browser.focused(), outline))
        assert len(seen) < 40, seen
    assert {outline for _, outline in seen} == {"solid"}
    assert {"pause", "log", "As a table"} <= {name for name, _ in seen}
    browser.type("bucket s3://acme-ledger-exports/x", Keys.CONTROL + Keys.ENTER)
    browser.shows("#verdict", "1 values of 1 families masked")
    browser.driver.find_element(By.CSS_SELECTOR, "header button").send_keys(Keys.ENTER)
    wait_for(lambda: browser.driver.current_url == f"{url}/login", "the door")
    assert browser.log() == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_accessible(open_site: Open, browser: Browser, redis: Server, scheme: str, width: int) -> None:
    """axe finds nothing against WCAG 2.1 AA, contrast included, on either page; a narrow page needs no scrolling."""
    browser.scheme(scheme, width)
    site = open_site(redis, ("http://127.0.0.1:9/metrics",))
    browser.sign_in(site.url, "a wrong password")
    browser.shows("[role=alert]", "That is not the password.")
    assert violations(browser) == []
    browser.entered(site.url)
    settings = Settings(redis_host="127.0.0.1", redis_port=redis.port, redis_events=True)
    observer = observer_of(settings, {}, Metrics())
    tell(observer)
    observer.close()
    browser.shows("#feed", "team-a")
    browser.shows("#rows", "team-a")
    browser.paste(TEXT)
    browser.shows("#verdict", "9 values")
    assert violations(browser) == []
    script = "const page = document.documentElement; return [page.scrollWidth, page.clientWidth,"
    inside, seen, background = browser.driver.execute_script(f"{script} getComputedStyle(page).backgroundColor]")
    assert inside == seen <= width
    assert background == {"light": "rgb(244, 246, 248)", "dark": "rgb(16, 21, 27)"}[scheme]


def violations(browser: Browser) -> list[str]:
    """Return what axe finds."""
    browser.driver.execute_script((files("axe_core_python") / "axe.min.js").read_text())
    rules = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']}"
    found = browser.driver.execute_async_script(
        f"const done = arguments[0]; axe.run(document, {rules}).then(done, (error) => done(String(error)))"
    )
    assert found["passes"], found
    return [
        f"{one['id']}: {[node['html'][:200] + str(node['any'])[:300] for node in one['nodes']]}"
        for one in found["violations"]
    ]
