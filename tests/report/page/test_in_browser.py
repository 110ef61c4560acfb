from __future__ import annotations

import re

import pytest

from tests.support.browser import PHONE, Browser

PAGES = ("", "#methods", "#method/reccocktail", "#method/sasrec", "#compare", "#cost", "#bias", "#about")
FIRST_BOARD = "main section:first-of-type"
METHODS = f"{FIRST_BOARD} tbody th a"
WARM_BY_NDCG = ["sasrec", "reccocktail", "bpr"]
pytestmark = pytest.mark.browser


def head(title: str) -> str:
    return f"//section[1]//th[button[normalize-space(.)='{title}']]"


def click_head(browser: Browser, title: str) -> None:
    browser.driver.find_element("xpath", head(title) + "/button").click()


def sort_state(browser: Browser, title: str) -> str:
    return str(browser.driver.find_element("xpath", head(title)).get_attribute("aria-sort"))


def column(browser: Browser, number: int) -> list[float]:
    cells = browser.texts(f"{FIRST_BOARD} tbody td:nth-of-type({number}) .value")
    return [float(cell) for cell in cells]


def colors(browser: Browser, selector: str) -> list[tuple[float, ...]]:
    """Text color and background of an element, as red, green and blue from 0 to 1."""
    script = "const style = getComputedStyle(arguments[0]); return [style.color, style.backgroundColor]"
    found = browser.run(script, browser.find(selector))
    return [tuple(int(part) / 255 for part in re.findall(r"\d+", text)[:3]) for text in found]


def luminance(color: tuple[float, ...]) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color]
    return float(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])


def test_each_board_starts_with_its_best_row(browser: Browser) -> None:
    assert browser.texts("main h2") == ["beauty, warm", "beauty, cold", "toys, warm"]
    shown = column(browser, 3)
    assert len(shown) == 5
    assert shown == sorted(shown, reverse=True)
    assert browser.texts(METHODS)[0] == "sasrec"
    assert sort_state(browser, "NDCG@3") == "descending"


def test_a_click_on_a_head_sorts_every_board_and_a_second_turns_it_round(browser: Browser) -> None:
    click_head(browser, "Hit@10")
    assert column(browser, 7) == sorted(column(browser, 7), reverse=True)
    assert (sort_state(browser, "Hit@10"), sort_state(browser, "NDCG@3")) == ("descending", "none")
    click_head(browser, "Hit@10")
    assert column(browser, 7) == sorted(column(browser, 7))
    assert browser.run("return document.querySelectorAll('th[aria-sort=ascending]').length") == 3
    click_head(browser, "Method")
    assert browser.texts(METHODS) == ["bpr", "random", "reccocktail", "reccocktail", "sasrec"]


def test_rows_without_a_figure_come_last_in_either_direction(browser: Browser) -> None:
    without = {"random"}  # no record of it says how many parameters it trained
    for _ in range(2):
        click_head(browser, "Parameters")
        assert without <= set(browser.texts(METHODS)[1:])
        assert browser.texts(METHODS)[0] == "sasrec"


def test_a_keyboard_reaches_and_presses_the_heads(browser: Browser) -> None:
    seen = []
    for _ in range(40):
        browser.press("\ue004")  # Tab
        seen.append(browser.run("return document.activeElement.textContent || document.activeElement.type"))
        if seen[-1] == "NDCG@1":
            break
    assert seen[:8] == [
        "Skip to the content",
        "bench",
        "Leaderboard",
        "Methods",
        "Users",
        "Cost",
        "Bias and stability",
        "Protocol and limits",
    ]
    assert seen.index("search") < seen.index("Method") < seen.index("NDCG@1")
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press("\ue007")  # Enter
    assert column(browser, 2) == sorted(column(browser, 2), reverse=True)
    assert browser.run("return document.activeElement.textContent") == "NDCG@1"
    browser.press(" ")
    assert column(browser, 2) == sorted(column(browser, 2))


def test_rows_are_filtered_by_text_family_dataset_setting_and_toys(browser: Browser) -> None:
    def status() -> str:
        return browser.texts("[role=status]")[0]

    assert status() == "11 rows"
    browser.find("input[type=search]").send_keys("clothing tiny")
    assert (status(), browser.texts(METHODS)) == ("1 row", ["reccocktail"])
    browser.find("input[type=search]").send_keys("\ue009a", "\ue009", "\ue003")  # Control-A, Backspace
    assert status() == "11 rows"
    browser.choose("Family", "sequential")
    assert browser.texts("main h2") == ["beauty, warm", "toys, warm"]
    browser.choose("Dataset", "toys")
    assert (status(), browser.texts("main h2")) == ("1 row", ["toys, warm"])
    browser.choose("Setting", "cold")
    assert status() == "No rows match these filters."
    for label in ("Family", "Dataset", "Setting"):
        browser.choose(label, "all")
    browser.driver.find_element("xpath", "//label[contains(., 'toy runs')]/input").click()
    assert status() == "10 rows"
    assert "†toy" not in browser.find(FIRST_BOARD).text


def test_marks_and_intervals_are_shown(browser: Browser) -> None:
    assert sorted(browser.texts(f"{FIRST_BOARD} sup")) == ["†toy ‡ ↗", "‡ ↗"]
    assert browser.texts(f"{FIRST_BOARD} .interval") == []
    browser.driver.find_element("xpath", "//label[contains(., '95% CI')]/input").click()
    assert all(re.fullmatch(r"[01]\.\d{4}–[01]\.\d{4}", text) for text in browser.texts(f"{FIRST_BOARD} .interval"))
    assert len(browser.texts(f"{FIRST_BOARD} .interval")) == 5 * 8


@pytest.mark.parametrize("hash_", PAGES)
def test_a_page_has_an_address_of_its_own(browser: Browser, hash_: str) -> None:
    browser.open(hash_)
    titles = {"": "Leaderboard", "#compare": "Users", "#cost": "Cost", "#methods": "Methods"}
    titles |= {"#bias": "Bias and stability", "#about": "Protocol and limits"}
    title = titles.get(hash_, hash_.rpartition("/")[2])
    assert browser.texts("h1") == [title]
    assert browser.driver.title == f"{title} · bench report"
    assert len(browser.texts("nav [aria-current=page]")) == 1


def test_links_lead_to_a_methods_page_and_back(browser: Browser) -> None:
    browser.find(METHODS).click()
    browser.await_texts("h1", ["sasrec"])
    assert browser.run("return location.hash") == "#method/sasrec"
    assert browser.run("return document.activeElement.tagName") == "H1"
    browser.driver.back()
    browser.await_texts("h1", ["Leaderboard"])


def test_an_unknown_address_says_so(browser: Browser) -> None:
    for hash_ in ("#nowhere", "#method/nothing", "#method/%E0%A4%A"):
        browser.open(hash_)
        assert browser.texts("h1") == ["Not found"]


def test_a_methods_page_shows_weights_curves_parameters_and_departures(browser: Browser) -> None:
    browser.open("#method/reccocktail")
    assert browser.texts("[aria-label='Weights of the merged adapters'] thead th") == ["Run", "general", "specific"]
    assert browser.texts("[aria-label='Weights of the merged adapters'] td") == ["0.250", "0.750"] * 2
    assert len(browser.texts("details[open] figure svg")) == 5
    assert "training: still rising ↗" in browser.texts("details[open] > summary")[0]
    browser.open("#method/sasrec")
    assert "training: converged" in browser.texts("details[open] > summary")[0]
    assert "Validation NDCG@3: 0.3000 kept, at 3 of 4" in browser.texts("figcaption")
    assert "Stops early." in browser.find("main").text
    browser.find("main details:last-of-type summary").click()
    assert {"layers", "dropout", "seconds to fit"} <= set(browser.texts("dl.facts dt"))


def test_two_methods_are_compared_by_history_and_popularity(browser: Browser) -> None:
    browser.open("#compare")
    assert browser.texts("h2") == ["sasrec against reccocktail (minilm, from clothing)"]
    assert browser.texts("h3") == ["History length", "Interactions of the item"]
    assert browser.texts("main tbody th") == ["3", "4", "0", "1"]
    wins = browser.texts(".wins span")
    browser.driver.find_element("xpath", "//button[.='Swap A and B']").click()
    browser.await_texts("h2", ["reccocktail (minilm, from clothing) against sasrec"])
    assert browser.run("return document.activeElement.textContent") == "Swap A and B"
    swapped = browser.texts(".wins span")
    numbers = [[re.findall(r"[\d.]+", text) for text in texts] for texts in (wins, swapped)]
    assert numbers[0] == numbers[1][::-1]
    browser.choose("A", "bpr")
    browser.await_texts("h2", ["bpr against sasrec"])


def test_the_scatter_names_its_points_and_those_without_a_place(browser: Browser) -> None:
    browser.open("#cost")
    points = [point.get_attribute("aria-label") for point in browser.driver.find_elements("css selector", ".point")]
    assert len(points) == 4
    assert sum("sasrec: NDCG@3 0." in point and "training 8 s" in point for point in points) == 1
    assert sum("reccocktail" in point and "training 50 s" in point for point in points) == 2
    assert "Not shown: random." in browser.texts("figcaption")[0]
    browser.choose("Cost", "Peak memory of the process")
    assert "300 MiB" in browser.find("main table").text


def test_bias_and_stability_are_drawn_and_told(browser: Browser) -> None:
    click_head(browser, "Pop. ratio")
    assert browser.texts(METHODS)[0] == "sasrec"
    click_head(browser, "Flips")
    assert "12.5 %" in browser.texts(f"{FIRST_BOARD} tbody td")
    browser.open("#bias")
    assert len(browser.texts("svg .bucket")) == 5
    cells = browser.texts("[aria-label='Popularity'] tbody tr:first-child td")
    assert cells[2:] == ["6", "2", "3"]
    assert [point.get_attribute("aria-label") for point in browser.driver.find_elements("css selector", ".point")] == [
        f"sasrec: NDCG@3 {figure_of(browser, 'sasrec')}, popularity ratio 3"
    ]
    row = browser.texts("[aria-label='Stability'] tbody td")
    assert row == ["candidate order", "2", "20", "ndcg@3", "", "0.2500", "0.5000", "12.5 %"]
    browser.choose("Board", "beauty, cold (hash-beauty-cold)")
    assert "none was asked again: bench diagnose" in browser.find("main").text


def test_of_a_method_with_several_rows_the_best_is_drawn_and_each_is_told(browser: Browser) -> None:
    browser.open("#bias")
    browser.choose("Board", "toys, warm (hash-toys-warm)")
    highest_first = browser.texts("svg .bucket text")
    assert highest_first == ["bpr", "sasrec", "random"]  # the other row of bpr is below sasrec
    names = [name.split()[0] for name in browser.texts("[aria-label='Popularity'] tbody th")]
    assert names == ["bpr", "sasrec", "bpr", "random"]


def figure_of(browser: Browser, method: str) -> str:
    points = browser.run("return JSON.parse(document.getElementById('data').textContent).boards")
    rows = next(board for board in points if board["title"] == "beauty, warm")["rows"]
    return f"{next(row for row in rows if row['method'] == method)['figures'][1]['value']:.4f}"


def test_limits_and_hashes_are_said(browser: Browser) -> None:
    browser.open("#about")
    text = browser.find("main").text
    assert "29 sampled negatives, not the full catalogue" in text
    assert "toy language model" in text
    assert "hash-beauty-warm" in text


@pytest.mark.parametrize("hash_", PAGES)
def test_nothing_is_wider_than_a_phone(browser: Browser, hash_: str) -> None:
    browser.resize(PHONE)
    browser.open(hash_)
    assert browser.run("return document.documentElement.scrollWidth") == PHONE[0]
    too_wide = browser.run(
        "return [...document.querySelectorAll('main *')].filter((one) => !one.closest('.scroll') && "
        "one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.outerHTML.slice(0, 80))"
    )
    assert too_wide == []


def test_a_wide_table_scrolls_in_its_own_box_with_the_method_in_sight(browser: Browser) -> None:
    browser.resize(PHONE)
    browser.open("")
    box = browser.find(".scroll")
    assert browser.run("return arguments[0].scrollWidth > arguments[0].clientWidth", box)
    browser.run("arguments[0].scrollLeft = 400", box)
    assert browser.run("return arguments[0].querySelector('tbody th').getBoundingClientRect().left", box) >= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_schemes(browser: Browser, scheme: str) -> None:
    browser.prefer(scheme)
    browser.open("")
    _, paper = colors(browser, "body")
    assert (luminance(paper) < 0.05) == (scheme == "dark")
    for selector in ("h1", ".lead", ".meta", "tbody td", ".meta a", "sup", "th[aria-sort=descending] button"):
        ink, _ = colors(browser, selector)
        bright, dim = sorted((luminance(ink), luminance(paper)), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, selector


def test_the_button_overrules_the_system_and_is_remembered(browser: Browser) -> None:
    def is_dark() -> bool:
        return luminance(colors(browser, "body")[1]) < 0.05

    browser.prefer("dark")
    browser.open("")
    assert is_dark()
    browser.find("#theme").click()
    assert (browser.texts("#theme"), is_dark()) == (["Theme: light"], False)
    browser.open("#about")
    assert (browser.texts("#theme"), is_dark()) == (["Theme: light"], False)
    browser.find("#theme").click()
    browser.prefer("light")
    assert is_dark()


def test_paper_shows_the_tables_alone_on_white(browser: Browser) -> None:
    browser.prefer("dark", media="print")
    assert browser.texts("nav, #theme, .controls") == []
    assert luminance(colors(browser, "body")[1]) > 0.9
    assert len(browser.texts("main table")) == 3


def test_no_text_of_a_record_becomes_an_element_or_a_script(browser: Browser) -> None:
    for hash_ in ("", "#methods", "#about", "#cost", "#bias", "#compare"):
        browser.open(hash_)
        assert browser.run("return document.querySelectorAll('main img, main script').length") == 0
    browser.open("")
    harmful = next(link for link in browser.driver.find_elements("css selector", "main th a") if "evil" in link.text)
    assert "<script>window.harmed" in harmful.text
    name = harmful.text
    harmful.click()
    browser.await_texts("h1", [name])
    browser.find("main details:last-of-type summary").click()
    assert "<img src=" in browser.texts(".warning")[0]
    assert browser.run("return document.querySelectorAll('img').length") == 0
    assert browser.run("return window.harmed === undefined")
