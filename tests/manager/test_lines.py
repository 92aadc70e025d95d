"""Who waits, in order, for which places."""

from manager.scheduling.lines import Lines

CPU, GPU, EITHER = (("cpu",),), (("cuda:0",),), (("cpu",), ("cuda:0",))
NOWHERE = ()


def lines() -> Lines:
    """Nine who wait in three lines, by turns, and one whose device is not there."""
    made = Lines()
    for since, name in enumerate("abcdefghi"):
        made.join((False, since, name), (CPU, GPU, EITHER)[since % 3])
    made.join((True, 0, "j"), NOWHERE)
    return made


def test_all_come_in_the_order_of_their_waiting_whatever_they_wait_for() -> None:
    assert "".join(lines().in_order(set())) == "abcdefghij"
    assert len(lines()) == 10


def test_a_line_ends_where_all_of_its_places_are_claimed() -> None:
    assert "".join(lines().in_order({"cpu"})) == "bcefhij"
    assert "".join(lines().in_order({"cpu", "cuda:0"})) == "j"


def test_a_line_ends_when_its_places_are_claimed_on_the_way() -> None:
    claimed, seen = set[str](), ""
    for name in lines().in_order(claimed):
        seen += name
        claimed |= {"d": {"cpu"}, "e": {"cuda:0"}}.get(name, set())
    assert seen == "abcdej"


def test_who_leaves_is_looked_for_no_more_and_the_others_keep_their_places() -> None:
    waiting = lines()
    for name in ("a", "e", "e", "nobody", "j"):
        waiting.leave(name)
    assert "".join(waiting.in_order(set())) == "bcdfghi"
    assert (len(waiting), waiting.before((False, 3, "d"))) == (7, 2)
