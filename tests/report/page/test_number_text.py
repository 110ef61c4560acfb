from __future__ import annotations

import pytest

from bench.report.page.number_text import brief, percent, seconds, signed, size, thousands


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (brief(0), "0"),
        (brief(0.59432), "0.594"),
        (brief(28.06), "28.1"),
        (brief(11_175_000.4), "11,175,000"),
        (seconds(0.05), "< 0.1 s"),
        (seconds(45.04), "45 s"),
        (seconds(90), "1.5 min"),
        (seconds(4567), "1.27 h"),
        (size(300 << 20), "300 MiB"),
        (size(3 << 29), "1.5 GiB"),
        (thousands(999), "999"),
        (thousands(22_700_000), "22.7 M"),
        (thousands(4096), "4.1 k"),
        (percent(0.125), "12.5%"),
        (signed(-0.08804), "\u22120.0880"),
        (signed(0.5), "+0.5000"),
    ],
)
def test_numbers_are_short(text: str, expected: str) -> None:
    assert text == expected
