"""A rolling update's decisions: from any state, however late pods become ready, it arrives, and serves."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cli.steer.rolling import Counts, next_step, with_image


@given(
    desired=st.integers(1, 6),
    new=st.integers(0, 6),
    old=st.integers(0, 6),
    late=st.lists(st.booleans(), max_size=60),
)
@settings(max_examples=400)
def test_it_arrives_from_wherever_it_was_stopped(desired: int, new: int, old: int, late: list[bool]) -> None:
    """`late` says at which looks a new pod is not ready yet."""
    new = min(new, desired)
    new_ready, old_ready = new, old
    enough = new + old >= desired
    for look in range(200):
        step = next_step(Counts(new, new_ready, old, old_ready), desired)
        if step is None:
            break
        before = new + old
        if step.new is not None:
            assert step.new == new + 1
            new = step.new
        elif step.old is not None:
            assert step.old == old - 1
            old = step.old
            old_ready = min(old_ready, old)
        elif not (look < len(late) and late[look]):
            new_ready = min(new_ready + 1, new)
        assert new + old <= max(before, desired + 1)
        assert not enough or new_ready + old_ready >= desired
    assert (new, new_ready, old) == (desired, desired, 0)


def test_old_pods_that_do_not_serve_make_room() -> None:
    step = next_step(Counts(new_wanted=1, new_ready=1, old_wanted=3, old_ready=0), 3)
    assert step is not None
    assert step.old == 2


def test_a_pod_that_does_not_become_ready_is_waited_for() -> None:
    step = next_step(Counts(new_wanted=1, new_ready=0, old_wanted=3, old_ready=3), 3)
    assert step is not None
    assert (step.new, step.old) == (None, None)


def test_a_copy_with_another_image_has_a_label_of_its_own() -> None:
    old = {
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "replicas": 2, "selector": {"app": "web"},
            "template": {
                "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "a:1"}]},
            },
        },
    }  # fmt: skip
    new = with_image(old, "", "a:2", key="deployment")
    label = new["spec"]["selector"]["deployment"]
    assert new["metadata"]["name"] == f"web-{label}"
    assert new["spec"]["template"]["metadata"]["labels"] == {"app": "web", "deployment": label}
    assert old["spec"]["selector"] == {"app": "web"}
    assert with_image(old, "", "a:3", key="deployment")["metadata"]["name"] != new["metadata"]["name"]
