from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.lm.prompts.shared import (
    LIST_LENGTH,
    NO_HISTORY,
    SEPARATOR,
    SYSTEM_LINE,
    UNTITLED,
    answer_text,
    chat_format,
    clean_title,
    last_items,
    list_answer,
    parse_ranking,
    plain_chat,
    prompt_hash,
    shared_prompt,
)

CANDIDATES = [f"Product number {index}" for index in range(30)]


class TemplatedTokenizer:
    chat_template = "{{ messages }}"

    def apply_chat_template(self, turns, tokenize, add_generation_prompt):
        assert not tokenize
        assert add_generation_prompt
        return "".join(f"[{turn['role']}]{turn['content']}" for turn in turns) + "[assistant]"


class PlainTokenizer:
    chat_template = None
    bos_token = "<s>"


def test_prompt_shows_history_oldest_first_then_every_candidate_in_order():
    text = shared_prompt(["First bought", "Then bought"], CANDIDATES, plain_chat)
    places = [text.index(title + "\n") for title in ["First bought", "Then bought", *CANDIDATES]]
    assert places == sorted(places)
    assert text.startswith(SYSTEM_LINE)
    assert str(LIST_LENGTH) in text


def test_history_is_cut_to_its_last_items_and_candidates_never_are():
    text = shared_prompt([f"Old {index};" for index in range(20)], CANDIDATES, plain_chat, max_history=3)
    assert [f"Old {index};" in text for index in (16, 17, 18, 19)] == [False, True, True, True]
    assert all(title in text for title in CANDIDATES)


def test_empty_history_is_said_in_words():
    assert NO_HISTORY in shared_prompt([], CANDIDATES, plain_chat)
    assert NO_HISTORY in shared_prompt(["Something"], CANDIDATES, plain_chat, max_history=0)


@pytest.mark.parametrize(
    ("n_items", "expected"), [(0, []), (2, ["b", "c"]), (5, ["a", "b", "c"]), (None, ["a", "b", "c"])]
)
def test_last_items_keeps_the_latest(n_items, expected):
    assert last_items(["a", "b", "c"], n_items) == expected


def test_braces_in_titles_are_text():
    assert "{history} {0}" in shared_prompt(["{history} {0}"], ["{x}"], plain_chat)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Soap||Shampoo", "Soap|Shampoo"),
        ("Soap |||| Shampoo||", "Soap | Shampoo"),
        ("Two\nlines\tand  spaces", "Two lines and spaces"),
        ("Ends<|im_end|>here", "Ends im_end here"),
        ("", UNTITLED),
        (" || \n", UNTITLED),
    ],
)
def test_title_is_neutralised(title, expected):
    assert clean_title(title) == expected


@given(st.text(alphabet="ab<>| \n\u2028{}", max_size=20))
def test_clean_titles_survive_joining_and_cleaning_again(title):
    cleaned = clean_title(title)
    assert clean_title(cleaned) == cleaned
    assert SEPARATOR.join([cleaned, "x", cleaned]).split(SEPARATOR) == [cleaned, "x", cleaned]
    assert len(cleaned.splitlines()) == 1
    assert "<|" not in cleaned


def test_chat_format_of_the_tokenizer_is_used_where_it_has_one():
    assert chat_format(TemplatedTokenizer())("s", "u") == "[system]s[user]u[assistant]"
    assert chat_format(PlainTokenizer())("s", "u") == "<s>" + plain_chat("s", "u")


def test_prompt_hash_changes_with_chat_format_and_history_cut_alone():
    assert prompt_hash() == prompt_hash(plain_chat)
    assert len({prompt_hash(), prompt_hash(chat_format(TemplatedTokenizer())), prompt_hash(max_history=5)}) == 3


def test_title_style_is_the_truth_alone_and_draws_nothing():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    assert answer_text("Truth", CANDIDATES, "title", rng) == "Truth"
    assert rng.bit_generator.state == before


def test_list_style_is_the_truth_then_four_distinct_negatives():
    answer = answer_text("Truth", CANDIDATES, "list", np.random.default_rng(0)).split(SEPARATOR)
    assert answer[0] == "Truth"
    assert len(set(answer)) == LIST_LENGTH
    assert set(answer[1:]) <= set(CANDIDATES)
    assert list_answer("Truth", ["Only"], np.random.default_rng(0)) == "Truth||Only"


@pytest.mark.parametrize("match", ["lenient", "strict"])
def test_repeated_titles_count_once_and_unknown_ones_are_invalid(match):
    parsed = parse_ranking("A||B||A||zzz", ["A", "B", "C"], match)
    assert parsed.order == (0, 1)
    assert (parsed.n_valid, parsed.n_duplicates, parsed.n_invalid) == (2, 1, 1)


def test_truth_named_twice_has_rank_one_once():
    parsed = parse_ranking("T||T||x", ["x", "T"])
    assert parsed.order == (1, 0)
    assert parsed.n_duplicates == 1


def test_invalid_titles_take_no_place():
    assert parse_ranking("nonsense||C", ["A", "B", "C"]).order == (2,)


def test_strict_wants_the_very_string_and_lenient_folds_case_space_and_unicode():
    written = " the  ﬁrst TITLE "
    assert parse_ranking(written, ["The first title"], "strict").order == ()
    assert parse_ranking(written, ["The first title"], "lenient").order == (0,)


def test_lenient_takes_a_long_prefix_of_one_title_alone():
    titles = ["Lavender soap, 3 bars", "Lavender shampoo", "Mint", "Mint oil"]
    assert parse_ranking("lavender soa", titles).order == (0,)
    assert parse_ranking("lavender s", titles).order == ()
    assert parse_ranking("Lavender sh||Lav", titles) == parse_ranking("Lavender shampoo||zzz", titles)
    assert parse_ranking("Mint", titles).order == (2,)
    assert parse_ranking("Lavender soa", titles, "strict").order == ()


def test_title_with_the_separator_is_found_as_it_was_shown():
    assert parse_ranking(clean_title("Soap||Oil"), ["Oil", "Soap||Oil"], "strict").order == (1,)


def test_scores_rank_as_the_list_does():
    scores = parse_ranking("C||A", ["A", "B", "C", "D"]).scores(4)
    assert scores.tolist() == [3.0, 0.0, 4.0, 0.0]
    assert parse_ranking("", ["A", "B"]).scores(2).tolist() == [0.0, 0.0]


@given(st.lists(st.integers(0, 29), max_size=12))
def test_lists_of_candidates_are_read_back(columns):
    parsed = parse_ranking(SEPARATOR.join(CANDIDATES[column] for column in columns), CANDIDATES, "strict")
    assert parsed.order == tuple(dict.fromkeys(columns))
    assert parsed.n_valid + parsed.n_duplicates == len(columns)
    assert parsed.n_invalid == 0
