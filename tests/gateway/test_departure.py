from aibridge.gateway.departure import KEY, Departure, departure_of


def test_whoever_watches_is_told_once_it_happens() -> None:
    departure, told = Departure(), list[str]()
    departure.watch(lambda: told.append("left"))
    assert told == []
    departure.happen()
    assert told == ["left"]


def test_whoever_watches_too_late_is_told_at_once() -> None:
    departure, told = Departure(), list[str]()
    departure.happen()
    departure.watch(lambda: told.append("left"))
    assert told == ["left"]


def test_whoever_has_looked_away_is_not_told() -> None:
    departure, told = Departure(), list[str]()
    departure.watch(lambda: told.append("left"))
    departure.watch(None)
    departure.happen()
    assert told == []


def test_a_server_that_tells_nothing_is_no_trouble() -> None:
    known = Departure()
    assert departure_of({KEY: known}) is known
    assert not departure_of({}).happened
