from anthropic_metrics.kernel.newest import Newest


def test_a_place_may_be_written_from_the_answer_that_was_asked_for_last() -> None:
    newest = Newest()
    with newest.reading():
        first = newest.read(newest.ask(), "ab")
        second = newest.read(newest.ask(), "bc")
        assert [newest.is_newest(first, place) for place in "abc"] == [True, False, False]
        assert [newest.is_newest(second, place) for place in "abc"] == [False, True, True]


def test_an_answer_that_was_asked_for_first_and_came_last_is_not_the_newest() -> None:
    newest = Newest()
    with newest.reading():
        early = newest.ask()
        late = newest.read(newest.ask(), "a")
        slow = newest.read(early, "ab")
        assert newest.is_newest(late, "a")
        assert not newest.is_newest(slow, "a")
        assert newest.is_newest(slow, "b")


def test_of_two_answers_under_way_together_exactly_one_may_be_written() -> None:
    newest = Newest()
    with newest.reading():
        one, other = newest.ask(), newest.ask()
        answers = [newest.read(asked, "a") for asked in (one, other)]
        assert [newest.is_newest(answer, "a") for answer in answers] == [True, False]


def test_nothing_is_remembered_once_no_pass_is_under_way() -> None:
    newest = Newest()
    with newest.reading():
        with newest.reading():
            answer = newest.read(newest.ask(), "a")
        assert newest.is_newest(answer, "a")
    assert not newest.is_newest(answer, "a")
