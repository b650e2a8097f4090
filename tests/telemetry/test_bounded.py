from aibridge.telemetry.bounded import Bounded


def test_the_first_values_pass_and_the_rest_are_other() -> None:
    bounded = Bounded(limit=2)
    assert [bounded(value) for value in ("a", "b", "c", "a", "b", "d")] == ["a", "b", "other", "a", "b", "other"]


def test_what_no_eye_could_read_is_other_and_takes_no_place() -> None:
    bounded = Bounded(limit=1)
    assert bounded("a\nb") == "other"
    assert bounded("\ud800") == "other"
    assert bounded("x" * 129) == "other"
    assert bounded("x" * 128) == "x" * 128
