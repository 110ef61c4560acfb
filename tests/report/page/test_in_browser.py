from __future__ import annotations

import re
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.report.page.conftest import HARMFUL, HARMFUL_TITLE
from tests.support.browser import PATIENCE_SECONDS, PHONE, Browser

PAGES = (
    *("", "#methods", "#method/reccocktail", "#method/sasrec", "#published", "#queries", "#compare", "#cost", "#bias"),
    "#about",
)
FIRST_BOARD = "#page-leaderboard .part:first-of-type"
METHODS = f"{FIRST_BOARD} tbody th a"
BOARDS = "main .part h2"
pytestmark = pytest.mark.browser


def head(title: str) -> str:
    return f"(//section[contains(@class, 'part')])[1]//th[button[normalize-space(.)='{title}']]"


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
    assert browser.texts(BOARDS) == ["Beauty, warm", "Beauty, cold", "Toys, warm"]
    shown = column(browser, 3)
    assert len(shown) == 4  # of two rows of RecCocktail, one is folded
    assert shown == sorted(shown, reverse=True)
    assert browser.texts(METHODS)[0] == "SASRec"
    assert sort_state(browser, "NDCG@3") == "descending"


def test_a_click_on_a_head_sorts_every_board_and_a_second_turns_it_round(browser: Browser) -> None:
    click_head(browser, "Hit@10")
    assert column(browser, 7) == sorted(column(browser, 7), reverse=True)
    assert (sort_state(browser, "Hit@10"), sort_state(browser, "NDCG@3")) == ("descending", "none")
    click_head(browser, "Hit@10")
    assert column(browser, 7) == sorted(column(browser, 7))
    assert browser.run("return document.querySelectorAll('.part th[aria-sort=ascending]').length") == 3
    click_head(browser, "Method")
    assert browser.texts(METHODS) == ["BPR-MF", "Random", "RecCocktail", "SASRec"]


def test_variants_are_folded_beneath_the_best_row_and_unfolded_together(browser: Browser) -> None:
    assert browser.texts("[role=status]")[0] == "9 rows, 2 variants folded"
    fold = browser.find(f"{FIRST_BOARD} .fold")
    assert (fold.text, fold.get_attribute("aria-expanded")) == ("1 more", "false")
    fold.click()
    assert fold.get_attribute("aria-expanded") == "true"
    variants = browser.texts(f"{FIRST_BOARD} .variant")
    assert variants == ["minilm, from clothing", "layers=9, tiny, from clothing"]
    click_head(browser, "NDCG@1")
    click_head(browser, "NDCG@1")  # ascending: the variant stays beneath its best row
    assert browser.texts(f"{FIRST_BOARD} .variant") == variants
    browser.press(" ")
    fold.send_keys("\ue007")  # Enter
    assert len(browser.texts(f"{FIRST_BOARD} .variant")) == 1
    browser.driver.find_element("xpath", "//label[contains(., 'all variants')]/input").click()
    assert (browser.texts("[role=status]")[0], browser.texts(".fold")) == ("11 rows", [])


def test_methods_are_ranked_over_datasets(browser: Browser) -> None:
    assert browser.texts(".summary h2") == ["Over 2 datasets: warm"]
    assert browser.texts(".summary thead th") == ["Method", "Mean rank", "Win rate", "Beauty", "Toys"]
    assert browser.texts(".summary tbody tr:first-child > *")[:3] == ["BPR-MF", "1.50", "75.0%"]
    browser.driver.find_element("css selector", ".summary button[data-key=dataset-1]").click()
    assert browser.texts(".summary tbody th") == ["SASRec", "BPR-MF", "Random"]
    browser.choose("Dataset", "Toys")
    assert browser.texts(".summary h2") == []


def test_rows_without_a_figure_come_last_in_either_direction(browser: Browser) -> None:
    without = {"Random"}  # no record of it says how many parameters it trained
    for _ in range(2):
        click_head(browser, "Parameters")
        assert without <= set(browser.texts(METHODS)[1:])
        assert browser.texts(METHODS)[0] == "SASRec"


def test_a_keyboard_reaches_and_presses_the_heads(browser: Browser) -> None:
    seen = []
    for _ in range(60):
        browser.press("\ue004")  # Tab
        seen.append(browser.run("return document.activeElement.textContent || document.activeElement.type"))
        if seen[-1] == "NDCG@1":
            break
    assert seen[:10] == [
        "Skip to the content",
        "bench",
        "Leaderboard",
        "Methods",
        "Published results",
        "Queries",
        "Users",
        "Cost",
        "Bias and stability",
        "Protocol and limitations",
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

    assert status() == "9 rows, 2 variants folded"
    browser.find("input[type=search]").send_keys("clothing tiny")  # a folded variant is found as well
    assert (status(), browser.texts(METHODS)) == ("1 row", ["RecCocktail"])
    browser.find("input[type=search]").send_keys("\ue009a", "\ue009", "\ue003")  # Control-A, Backspace
    assert status() == "9 rows, 2 variants folded"
    browser.choose("Family", "sequential")
    assert browser.texts(BOARDS) == ["Beauty, warm", "Toys, warm"]
    browser.choose("Dataset", "Toys")
    assert (status(), browser.texts(BOARDS)) == ("1 row", ["Toys, warm"])
    browser.choose("Setting", "cold")
    assert status() == "No rows match these filters."
    for label in ("Family", "Dataset", "Setting"):
        browser.choose(label, "all")
    browser.driver.find_element("xpath", "//label[contains(., 'toy runs')]/input").click()
    assert status() == "9 rows, 1 variant folded"
    assert "†toy" not in browser.find(FIRST_BOARD).text


def test_marks_and_intervals_are_shown(browser: Browser) -> None:
    browser.driver.find_element("xpath", "//label[contains(., 'all variants')]/input").click()
    assert sorted(browser.texts(f"{FIRST_BOARD} sup")) == ["†toy ‡ ↗", "‡ ↗"]
    assert browser.texts(f"{FIRST_BOARD} .interval") == []
    browser.driver.find_element("xpath", "//label[contains(., '95% CI')]/input").click()
    assert all(re.fullmatch(r"[01]\.\d{4}–[01]\.\d{4}", text) for text in browser.texts(f"{FIRST_BOARD} .interval"))
    assert len(browser.texts(f"{FIRST_BOARD} .interval")) == 5 * 8


@pytest.mark.parametrize("hash_", PAGES)
def test_a_page_has_an_address_of_its_own(browser: Browser, hash_: str) -> None:
    browser.open(hash_)
    titles = {"": "Leaderboard", "#compare": "Users", "#cost": "Cost", "#methods": "Methods"}
    titles |= {"#bias": "Bias and stability", "#about": "Protocol and limitations", "#queries": "Queries"}
    titles |= {"#published": "Published results", "#method/sasrec": "SASRec", "#method/reccocktail": "RecCocktail"}
    title = titles[hash_]
    assert browser.texts("h1") == [title]
    assert browser.driver.title == f"{title} · bench report"
    assert len(browser.texts("nav [aria-current=page]")) == 1


def test_links_lead_to_a_methods_page_and_back(browser: Browser) -> None:
    browser.find(METHODS).click()
    browser.await_texts("h1", ["SASRec"])
    assert browser.run("return location.hash") == "#method/sasrec"
    assert browser.run("return document.activeElement.tagName") == "H1"
    browser.driver.back()
    browser.await_texts("h1", ["Leaderboard"])


def test_an_unknown_address_says_so(browser: Browser) -> None:
    for hash_ in ("#nowhere", "#shown", "#method/nothing", "#method/%E0%A4%A", "#run/nothing"):
        browser.open(hash_)
        assert browser.texts("h1") == ["Not found"]


def test_a_methods_page_shows_weights_curves_and_departures_and_links_its_paper(browser: Browser) -> None:
    browser.open("#method/reccocktail")
    assert browser.texts("[aria-label='Merge weights'] thead th") == ["Run", "general", "specific"]
    assert browser.texts("[aria-label='Merge weights'] td") == ["0.250", "0.750"] * 2
    assert len(browser.texts("details[open] figure svg")) == 5
    assert "training: still rising ↗" in browser.texts("details[open] > summary")[0]
    browser.open("#method/sasrec")
    assert "training: converged" in browser.texts("details[open] > summary")[0]
    assert "Validation NDCG@3: 0.3000 kept, at 3 of 4" in browser.texts("figcaption")
    assert "Stops early." in browser.find("main").text
    assert browser.find("#page-shown p a").get_attribute("href") == "https://arxiv.org/abs/1808.09781"


def test_a_run_has_a_page_with_its_command_configuration_curves_and_environment(browser: Browser) -> None:
    browser.open("#method/sasrec")
    link = browser.find("[aria-label='Runs of SASRec'] tbody a")
    run_id = link.text
    link.click()
    browser.await_texts("h1", [f"Run {run_id}"])
    assert browser.texts(".command code") == ["bench run --method sasrec --dataset beauty --setting warm"]
    assert {"layers", "dropout", "seconds to fit", "candidates", "device", "commit"} <= set(
        browser.texts("dl.facts dt")
    )
    assert len(browser.texts("main figure svg")) == 2
    assert browser.texts("nav [aria-current=page]") == ["Methods"]
    browser.find(".command button").click()
    browser.await_texts(".command [role=status]", [browser.texts(".command [role=status]")[0]])
    assert browser.texts(".command [role=status]")[0] in ("copied", "selected")


def test_published_scores_are_compared_with_verdicts(browser: Browser) -> None:
    browser.open("#published")
    assert browser.texts("main h2") == [
        "RecCocktail table1",
        "RecCocktail table2",
        "WeaveRec table1",
        "WeaveRec table2",
    ]
    assert browser.find("main h2 a").get_attribute("href") == "https://arxiv.org/abs/2502.08271"
    first = browser.texts("[aria-label='RecCocktail table1'] tbody tr:first-child > *")
    assert first == ["BPR-MF", "Beauty, warm", "NDCG@1", "0.0750", "0.1630", "\u22120.0880", "below"]
    box = "[aria-label='RecCocktail table1']"
    browser.find(f"{box} button[data-key=difference]").click()
    differences = [float(text.replace("\u2212", "-")) for text in browser.texts(f"{box} td:nth-of-type(5)")]
    assert differences == sorted(differences, reverse=True)
    assert (
        "the paper does not describe how cold items were chosen"
        in browser.find("[aria-label='RecCocktail table2']").text
    )
    assert len(browser.driver.find_elements("css selector", "#published-chart .dot.hollow")) == 2


def test_one_query_is_shown_in_titles(browser: Browser) -> None:
    browser.open("#queries")
    target = browser.texts(".target")[0]
    assert browser.texts("ol.titles li") == [f"Bought {HARMFUL_TITLE}", "Item 61"]
    assert len(browser.texts("[aria-label='Candidates'] tbody tr")) == 30
    ranked = browser.texts("[aria-label='Ranked first'] tbody tr")
    assert len(ranked) == 5
    assert any(row.startswith("SASRec") and f"{target} (the target)" in row for row in ranked)
    assert sum("not stored" in row for row in ranked) == 4
    places = [int(text) for text in browser.texts("[aria-label='Ranked first'] td:nth-of-type(1)")]
    assert places == sorted(places)
    browser.driver.find_element("xpath", "//button[.='Next']").click()
    browser.await_texts("nav [aria-current=page]", ["Queries"])
    assert str(browser.run("return location.hash")).endswith("/1")
    assert browser.run("return document.activeElement.textContent") == "Next"
    browser.choose("Board", "Toys, warm (hash-toys-warm)")
    assert "toys-warm" in str(browser.run("return decodeURIComponent(location.hash)"))


def test_a_harmful_title_is_text_in_every_part_of_a_query(browser: Browser) -> None:
    for number in range(24):
        browser.open(f"#queries//{number}")
        assert browser.run("return document.querySelectorAll('main img, main script').length") == 0
        assert HARMFUL_TITLE in browser.find("#page-shown").text
    assert browser.run("return window.harmed === undefined")


def test_the_point_next_to_the_pointer_is_named(browser: Browser) -> None:
    browser.open("#bias")
    assert browser.texts(".tip") == []
    from selenium.webdriver import ActionChains

    chart = browser.find("svg.hoverable")
    ActionChains(browser.driver).move_to_element_with_offset(chart, *offset_of_first_point(browser)).perform()
    (said,) = browser.texts(".tip")
    assert re.search(r"NDCG@3 0\.\d{4}\npopularity 0, 20 queries", said)
    assert len(browser.texts(".bucket.hot")) == 1
    ActionChains(browser.driver).move_to_element(browser.find("#page-shown h1")).perform()
    assert browser.texts(".tip") == []


def offset_of_first_point(browser: Browser) -> tuple[int, int]:
    """Return the place of the first point of a line, relative to the middle of the chart."""
    script = (
        "const chart = document.querySelector('svg.hoverable').getBoundingClientRect();"
        "const point = document.querySelector('.bucket path:nth-of-type(2)').getBoundingClientRect();"
        "return [point.x + point.width / 2 - chart.x - chart.width / 2,"
        " point.y + point.height / 2 - chart.y - chart.height / 2]"
    )
    x, y = browser.run(script)
    return round(x), round(y)


def test_arrow_keys_name_the_points_of_a_chart(browser: Browser) -> None:
    browser.open("#bias")
    browser.run("document.querySelector('svg.hoverable').focus()")
    browser.press("\ue014")  # right
    (first,) = browser.texts(".tip")
    browser.press("\ue014")
    (second,) = browser.texts(".tip")
    assert first != second
    browser.press("\ue00c")  # Escape
    assert browser.texts(".tip") == []


def test_tables_are_saved_as_shown(browser: Browser, downloads: Path) -> None:
    browser.find(f"{FIRST_BOARD} .tools button").click()
    text = saved(downloads / "leaderboard-of-beauty-warm.csv")
    header, *rows = text.splitlines()
    assert header.startswith("Method,NDCG@1,NDCG@3")
    assert [row.split(",")[0] for row in rows] == ["SASRec", '"RecCocktail‡ ↗ minilm', "BPR-MF", "Random"]
    assert re.match(r"SASRec,0\.\d+,0\.\d{3,6},", rows[0])
    browser.find(f"{FIRST_BOARD} .tools button:nth-of-type(2)").click()
    table = saved(downloads / "leaderboard-of-beauty-warm.tex")
    assert table.startswith("% needs \\usepackage{booktabs}\n\\begin{tabular}{lrrr")
    assert "RecCocktail$\\ddagger$ $\\nearrow$ minilm, from clothing & " in table
    assert "\\textbf{" in table
    assert "&" not in table.replace(" & ", "")


def test_a_harmful_name_is_saved_as_text(browser: Browser, downloads: Path) -> None:
    browser.open("#queries")
    browser.find("[aria-label='Candidates'] + .tools button:nth-of-type(2)").click()
    table = saved(downloads / "candidates.tex")
    assert "\\textless{}/script\\textgreater{}" in table
    assert "<" not in table


@pytest.mark.parametrize("kind", ["SVG", "PNG"])
def test_figures_are_saved(browser: Browser, downloads: Path, kind: str) -> None:
    browser.prefer("dark")
    browser.open("#bias")
    browser.driver.find_element("xpath", f"(//figure//button[.='{kind}'])[1]").click()
    path = downloads / f"ndcg-3-by-popularity.{kind.lower()}"
    content = saved_bytes(path)
    if kind == "PNG":
        assert content.startswith(b"\x89PNG")
        return
    drawing = ElementTree.fromstring(content)  # noqa: S314  # our own drawing
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    rectangle = drawing[0]
    assert rectangle.get("fill") == "rgb(253, 253, 251)"  # white paper, even if the page is dark
    assert "SASRec" in "".join(drawing.itertext())
    assert "class" not in {name for part in drawing.iter() for name in part.attrib}


def saved(path: Path) -> str:
    return saved_bytes(path).decode()


def saved_bytes(path: Path) -> bytes:
    """Return the content of a file once the browser has saved it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return path.read_bytes()


def test_two_methods_are_compared_by_history_and_popularity(browser: Browser) -> None:
    browser.open("#compare")
    assert browser.texts("h2") == ["SASRec vs. RecCocktail (minilm, from clothing)"]
    assert browser.texts("h3") == ["History length", "Interactions of the item"]
    assert browser.texts("main tbody th") == ["3", "4", "0", "1"]
    wins = browser.texts(".wins span")
    browser.driver.find_element("xpath", "//button[.='Swap A and B']").click()
    browser.await_texts("h2", ["RecCocktail (minilm, from clothing) vs. SASRec"])
    assert browser.run("return document.activeElement.textContent") == "Swap A and B"
    swapped = browser.texts(".wins span")
    numbers = [[re.findall(r"[\d.]+", text) for text in texts] for texts in (wins, swapped)]
    assert numbers[0] == numbers[1][::-1]
    browser.choose("A", "BPR-MF")
    browser.await_texts("h2", ["BPR-MF vs. SASRec"])


def test_the_scatter_names_its_points_and_those_without_a_place(browser: Browser) -> None:
    browser.open("#cost")
    points = [point.get_attribute("aria-label") for point in browser.driver.find_elements("css selector", ".point")]
    assert len(points) == 4
    assert sum("SASRec: NDCG@3 0." in point and "training 8 s" in point for point in points) == 1
    assert sum("RecCocktail" in point and "training 50 s" in point for point in points) == 2
    assert "Not shown: Random." in browser.texts("figcaption")[0]
    browser.choose("Cost", "Peak memory of the process")
    assert "300 MiB" in browser.find("#page-shown table").text


def test_bias_and_stability_are_drawn_and_told(browser: Browser) -> None:
    click_head(browser, "Pop. ratio")
    assert browser.texts(METHODS)[0] == "SASRec"
    click_head(browser, "Flips")
    assert "12.5%" in browser.texts(f"{FIRST_BOARD} tbody td")
    browser.open("#bias")
    assert len(browser.texts("svg .bucket")) == 5
    cells = browser.texts("[aria-label='Popularity'] tbody tr:first-child td")
    assert cells[2:] == ["6", "2", "3"]
    assert [point.get_attribute("aria-label") for point in browser.driver.find_elements("css selector", ".point")] == [
        f"SASRec: NDCG@3 {figure_of(browser, 'sasrec')}, popularity ratio 3"
    ]
    row = browser.texts("[aria-label='Stability'] tbody td")
    assert row == ["candidate order", "2", "20", "ndcg@3", "", "0.2500", "0.5000", "12.5%"]
    browser.choose("Board", "Beauty, cold (hash-beauty-cold)")
    assert (
        "No row has several seeds or repeated scoring. To repeat the scoring of a run: bench diagnose"
        in browser.find("main").text
    )


def test_of_a_method_with_several_rows_the_best_is_drawn_and_each_is_told(browser: Browser) -> None:
    browser.open("#bias")
    browser.choose("Board", "Toys, warm (hash-toys-warm)")
    highest_first = browser.texts("svg .bucket text")
    assert highest_first == ["BPR-MF", "SASRec", "Random"]  # the other row of BPR-MF is below SASRec
    names = [name.split()[0] for name in browser.texts("[aria-label='Popularity'] tbody th")]
    assert names == ["BPR-MF", "SASRec", "BPR-MF", "Random"]


def figure_of(browser: Browser, method: str) -> str:
    points = browser.run("return JSON.parse(document.getElementById('data').textContent).boards")
    rows = next(board for board in points if board["title"] == "Beauty, warm")["rows"]
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
        "one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 1)"
        ".map((one) => one.outerHTML.slice(0, 80))"
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
    assert browser.texts("nav, #theme, .controls, .tools, .fold") == []
    assert luminance(colors(browser, "body")[1]) > 0.9
    assert len(browser.texts("main table")) == 4  # three boards, and one over datasets


def test_no_text_of_a_record_becomes_an_element_or_a_script(browser: Browser) -> None:
    for hash_ in ("", "#methods", "#about", "#cost", "#bias", "#compare", "#queries", "#published"):
        browser.open(hash_)
        assert browser.run("return document.querySelectorAll('main img, main script').length") == 0
    browser.open("")
    links = browser.driver.find_elements("css selector", ".part th a")
    harmful = next(link for link in links if "evil" in link.text)
    assert "<script>window.harmed" in harmful.text
    name = harmful.text
    harmful.click()
    browser.await_texts("h1", [name])
    assert browser.run("return document.querySelectorAll('img').length") == 0
    browser.find("[aria-label^='Runs of'] tbody a").click()
    browser.await_texts(".warning", [HARMFUL])
    assert browser.run("return document.querySelectorAll('img').length") == 0
    assert browser.run("return window.harmed === undefined")
