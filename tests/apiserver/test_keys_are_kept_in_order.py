"""Keys in runs are what one sorted list would be, whatever comes and goes."""

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from master.apiserver import ordered_keys
from master.apiserver.ordered_keys import OrderedKeys

KEYS = st.text(alphabet="ab/0", max_size=5)


@given(st.sets(KEYS), st.lists(KEYS, max_size=60), st.tuples(KEYS, st.none() | KEYS))
def test_they_are_one_sorted_list(before: set[str], turns: list[str], asked: tuple[str, str | None]) -> None:
    ordered_keys._RUN, run = 2, ordered_keys._RUN
    try:
        model, keys = sorted(before), OrderedKeys(before)
        for key in turns:
            if key in model:
                model.remove(key)
                keys.remove(key)
            else:
                model.insert(bisect_left(model, key), key)
                keys.add(key)
            first, last = asked
            assert keys.between("", None) == model
            assert keys.between(first, last) == [one for one in model if one >= first and (last is None or one < last)]
            assert len(keys) == len(model)
    finally:
        ordered_keys._RUN = run
