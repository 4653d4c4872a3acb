"""A pod may be given more time to end than there is: what no calendar holds is the last moment that it does."""

import pytest
from tests_apiserver import Api, pod

SECONDS = (10**11, 10**12, 2**63 - 1)


@pytest.mark.parametrize("grace", SECONDS)
def test_by_its_spec_or_by_the_delete(admin: Api, namespace: str, grace: int) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    made = pod("a")
    made["spec"] |= {"nodeName": "n", "terminationGracePeriodSeconds": grace}
    assert admin.post(path, made).status == 201
    assert admin.post(path, {**made, "metadata": {"name": "b"}}).status == 201
    assert admin.delete(f"{path}/a").status == 200
    assert admin.delete(f"{path}/b?gracePeriodSeconds={grace}").status == 200
    for name in "ab":
        going = admin.get(f"{path}/{name}")
        assert going.status == 200
        assert going.json["metadata"]["deletionGracePeriodSeconds"] == grace
        assert going.json["metadata"]["deletionTimestamp"].endswith("Z")
        assert admin.delete(f"{path}/{name}?gracePeriodSeconds=1").status == 200
        assert admin.get(f"{path}/{name}").json["metadata"]["deletionGracePeriodSeconds"] == 1
        assert admin.delete(f"{path}/{name}?gracePeriodSeconds=0").status == 200
