"""The committed page in a real browser: Debian's chromium without a window, driven by selenium."""

import json
import shutil
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

PAGE = Path(__file__).parents[2] / "docs/report-quick.html"
PROGRAMS = [shutil.which(name) for name in ("chromium", "chromedriver")]
pytestmark = pytest.mark.skipif(
    not all(PROGRAMS), reason="no chromium here: apt-get install chromium chromium-driver"
)


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = PROGRAMS[0]
    # Its own sandbox does not work for root in a container, nor its shared memory.
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(PROGRAMS[1]))
    driver.set_page_load_timeout(120)
    yield driver
    driver.quit()


@pytest.fixture
def page(browser):
    browser.get(PAGE.as_uri())
    return browser


def emulate(browser, width: int, **features: str) -> None:
    """Let the window have a width, and media features their values."""
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    values = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": values})


def column(table, place: int) -> list[str]:
    return [row.find_elements(By.CSS_SELECTOR, "th, td")[place].text for row in rows_of(table)]


def rows_of(table) -> list:
    return table.find_elements(By.CSS_SELECTOR, "tbody tr:not(.group)")


def test_nothing_is_fetched_and_nothing_goes_wrong(browser):
    browser.get_log("performance")
    browser.get_log("browser")
    browser.get(PAGE.as_uri())
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if not url.startswith("data:")] == [PAGE.as_uri()]
    assert browser.get_log("browser") == []


def test_every_link_resolves(page):
    addresses = page.execute_script("return [...document.links].map(link => link.href)")
    assert len(addresses) > 20
    for address in addresses:
        path, _, name = address.removeprefix("file://").partition("#")
        assert Path(path).exists(), address
        if path == str(PAGE) and name:
            assert page.execute_script("return document.getElementById(arguments[0])", name) is not None


def test_a_table_sorts_by_number_and_says_so(page):
    table = page.find_element(By.ID, "rows-main")
    headings = table.find_elements(By.CSS_SELECTOR, "thead th")
    place = [heading.text.split(" ")[0] for heading in headings].index("Average")
    before = column(table, place)
    button = headings[place].find_element(By.TAG_NAME, "button")
    button.click()
    falling = column(table, place)
    assert headings[place].get_attribute("aria-sort") == "descending"
    numbers = [float(text.split(" ")[0].replace("−", "-")) for text in falling]
    assert numbers == sorted(numbers, reverse=True)
    assert sorted(falling) == sorted(before)
    button.send_keys(Keys.ENTER)  # by keyboard
    assert headings[place].get_attribute("aria-sort") == "ascending"
    numbers = [float(text.split(" ")[0].replace("−", "-")) for text in column(table, place)]
    assert numbers == sorted(numbers)
    headings[0].find_element(By.TAG_NAME, "button").click()
    assert headings[place].get_attribute("aria-sort") is None
    assert column(table, 0) == sorted(column(table, 0), key=str.casefold)


def test_rows_stay_below_their_heading_and_dashes_at_the_end(page):
    page.execute_script("document.querySelectorAll('details').forEach(part => part.open = true)")
    table = page.find_element(By.ID, "rows-cost")
    bodies = table.find_elements(By.TAG_NAME, "tbody")
    assert len(bodies) > 1
    before = [sorted(row.text for row in rows_of(body)) for body in bodies[:1]]
    group = bodies[0].find_element(By.CSS_SELECTOR, "tr.group").text
    table.find_elements(By.CSS_SELECTOR, "thead button")[5].click()
    assert bodies[0].find_elements(By.TAG_NAME, "tr")[0].text == group
    assert [sorted(row.text for row in rows_of(body)) for body in bodies[:1]] == before
    for body in bodies:
        cells = [row.find_elements(By.TAG_NAME, "td")[4] for row in rows_of(body)]
        known = [cell.get_attribute("data-key") is not None for cell in cells]
        assert known == sorted(known, reverse=True)


@pytest.mark.parametrize("width", [360, 390, 768, 1200])
def test_nothing_is_wider_than_the_window(page, width: int):
    emulate(page, width)
    page.execute_script("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_it_is_dark_where_the_reader_wants_that_and_words_stand_out(page):
    for scheme in ("light", "dark"):
        emulate(page, 1200, prefers_color_scheme=scheme)
        paper, *inks = page.execute_script(
            "return [getComputedStyle(document.body).backgroundColor, ..."
            "['body', 'a', '.soft', '.holds', '.fails', '.undecided', '.untested']"
            ".map(name => getComputedStyle(document.querySelector(name)).color)]"
        )
        assert (luminance(paper) < 0.1) == (scheme == "dark")
        for ink in inks:
            light, dark = sorted([luminance(paper), luminance(ink)], reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (scheme, ink)  # WCAG 2.2, 1.4.3


def luminance(color: str) -> float:
    """Relative luminance of a colour such as rgb(1, 2, 3). Source: WCAG 2.2."""
    values = [int(part) / 255 for part in color[color.index("(") + 1 : -1].split(",")[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return sum(weight * v for weight, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_the_keyboard_reaches_what_scrolls_and_the_focus_shows(page):
    emulate(page, 1200)
    body = page.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    first = page.switch_to.active_element
    assert first.text == "Skip to the claims"
    assert first.location["x"] >= 0
    assert first.value_of_css_property("outline-style") == "solid"
    scrolling = page.find_elements(By.CSS_SELECTOR, ".scroll, .picture")
    assert all(
        part.get_attribute("tabindex") == "0" and part.get_attribute("aria-label") for part in scrolling
    )


def test_printing_shows_what_is_closed(page):
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert page.find_elements(By.CSS_SELECTOR, "details:not([open])") == []
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert page.find_elements(By.CSS_SELECTOR, "details[open]") == []


def test_without_scripts_everything_can_be_read(browser):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(PAGE.as_uri())
        headings = browser.find_elements(By.CSS_SELECTOR, "#rows-main thead th")
        assert headings[0].text == "Method (acting)"
        assert browser.find_elements(By.CSS_SELECTOR, "thead button") == []
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
