"""That card numbers are hidden, and nothing else is."""

import pytest

from services.recording.domain.masking import masked


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("my card is 4111111111111111, thanks", "my card is ************1111, thanks"),
        ("4111 1111 1111 1111", "**** **** **** 1111"),
        ("4111-1111-1111-1111", "****-****-****-1111"),
        ("378282246310005", "***********0005"),
        ("卡号6222021234567890128。", "卡号***************0128。"),
        ("４１１１１１１１１１１１１１１１", "************１１１１"),
        ("4111111111111111 and 5500005555555559", "************1111 and ************5559"),
        ("4111111111111111 5500005555555559", "************1111 ************5559"),
        ("4111111111111112", "4111111111111112"),
        ("order 12345678901", "order 12345678901"),
        ("+8613800138000 at 2026-03-01 10:00", "+8613800138000 at 2026-03-01 10:00"),
        ("", ""),
        ("no digits", "no digits"),
    ],
)
def test_it_hides_what_looks_like_a_card_number(text: str, kept: str) -> None:
    assert masked(text) == kept


def test_it_is_done_soon_with_many_digits() -> None:
    assert len(masked("1234567890 " * 1500)) == 16_500
