from tests.chaos.gauges import Sample, leaked, slope, warm


def looked(at: float = 0.0, *, rss: float = 100.0, fds: int = 20, tasks: int = 10) -> Sample:
    return Sample(at, rss, fds, threads=7, connections=3, tasks=tasks, inflight=0, unrecorded=0)


def test_the_slope_is_what_is_added_in_an_hour() -> None:
    minutes = range(31)
    assert slope([looked(60 * minute, rss=100 + 0.1 * minute) for minute in minutes]) == 6.0
    assert slope([looked(60 * minute, fds=20 - minute % 2) for minute in minutes]) == 0.0
    assert slope([looked(60 * minute, fds=minute) for minute in minutes], "fds") == 60.0


def test_too_few_looks_have_none() -> None:
    assert slope([looked(0), looked(60, rss=200)]) == 0.0


def test_what_is_held_beyond_what_was_held_before_has_leaked() -> None:
    assert leaked(looked(fds=20, tasks=10), looked(fds=22, tasks=9)) == {"fds": 2}


def test_the_first_third_is_the_warm_up() -> None:
    samples = [looked(at) for at in range(9)]
    assert warm(samples) == samples[3:]
