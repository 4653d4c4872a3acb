"""Writers of one object at one moment: who names a version is told of a conflict, who names none is waited for."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests_apiserver import Api, Running, pod

WRITERS = 48


def test_all_who_name_no_version_write_one_after_the_other(
    server: Running, as_user: Callable[[Running, str], Api], admin: Api, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    assert admin.post(path, {"metadata": {"name": "c"}, "data": {"count": "0"}}).status == 201
    clients = [as_user(server, "admin") for _ in range(WRITERS)]

    def replace(number: int) -> int:
        return clients[number].put(f"{path}/c", {"metadata": {"name": "c"}, "data": {"of": str(number)}}).status

    def patch(number: int) -> int:
        return clients[number].patch(f"{path}/c", {"metadata": {"labels": {f"l{number}": "x"}}}).status

    with ThreadPoolExecutor(WRITERS) as pool:
        assert set(pool.map(replace, range(WRITERS))) == {200}
        assert set(pool.map(patch, range(WRITERS))) == {200}
        mixed = pool.map(lambda n: (replace if n % 2 else patch)(n), range(WRITERS))
        assert set(mixed) == {200}
    assert "count" not in admin.get(f"{path}/c").json["data"]


def test_no_patch_of_many_is_lost(
    server: Running, as_user: Callable[[Running, str], Api], admin: Api, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    assert admin.post(path, {"metadata": {"name": "c"}}).status == 201
    clients = [as_user(server, "admin") for _ in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as pool:
        answers = pool.map(lambda n: clients[n].patch(f"{path}/c", {"data": {f"k{n}": "v"}}).status, range(WRITERS))
        assert set(answers) == {200}
    assert len(admin.get(f"{path}/c").json["data"]) == WRITERS


def test_of_those_who_name_a_version_one_wins_and_the_others_are_told(
    server: Running, as_user: Callable[[Running, str], Api], admin: Api, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    version = admin.post(path, {"metadata": {"name": "c"}}).json["metadata"]["resourceVersion"]
    clients = [as_user(server, "admin") for _ in range(8)]

    def replace(number: int) -> tuple[int, str]:
        body = {"metadata": {"name": "c", "resourceVersion": version}, "data": {"of": str(number)}}
        answer = clients[number].put(f"{path}/c", body)
        return answer.status, answer.json.get("message", "")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(replace, range(8)))
    refused = [message for status, message in answers if status == 409]
    assert len(refused) == 7
    assert set(refused) == {
        'Operation cannot be fulfilled on configmaps "c": the object has been modified; please apply your changes to '
        "the latest version and try again"
    }


def test_a_delete_goes_through_among_many_writers(
    server: Running, as_user: Callable[[Running, str], Api], admin: Api, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    assert admin.post(path, pod("p", nodeName="nowhere")).status == 201
    clients = [as_user(server, "admin") for _ in range(WRITERS)]

    def act(number: int) -> int:
        if number == WRITERS // 2:
            return clients[number].delete(f"{path}/p").status
        return clients[number].patch(f"{path}/p", {"metadata": {"labels": {f"l{number}": "x"}}}).status

    with ThreadPoolExecutor(WRITERS) as pool:
        assert set(pool.map(act, range(WRITERS))) == {200}
    assert "deletionTimestamp" in admin.get(f"{path}/p").json["metadata"]
