"""`create KIND NAME`: the same words in a namespace each, the same output and exit code as kubectl's."""

import re
import shlex
from pathlib import Path

import pytest
from both import Both
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.scalars import now

# Each is tried with --dry-run=client and printed as YAML and as JSON.
SHOWN = """
deployment d --image=nginx
deploy d --image=reg.io:5/a/b:1 --image=c@sha256:00 --replicas=3 --port=80
deployment d --image=x -- sh -c 1
deployment
deployment d
deployment d --image=x e
deployment d --image=a --image=b -- x
configmap c
cm c --from-literal=a=b --from-file=file1 --from-file=k=file1
cm c --from-file=bin1 --append-hash
cm c --from-literal=a=b --append-hash
cm c --from-literal=a=b --save-config
cm c --from-literal='a="b c"' --from-literal=d=e=f
cm c --from-env-file=env1
cm c --from-env-file=env2
cm c --from-env-file=env1 --from-literal=a=b
cm c --from-file=folder
cm c --from-file=k=folder
cm c --from-file=nosuch
cm c --from-file==file1
cm c --from-literal=ab
cm c --from-literal=a=b --from-literal=a=c
cm c --from-literal=a/b=b
cm
cm a b
secret generic s --from-literal=a=b --type=x/y
secret generic s --from-file=bin1 --append-hash
secret generic
secret tls t --cert=t.crt --key=t.key
secret tls t --cert=t.crt --key=other.key
secret tls t --cert=t.crt
secret tls t --cert=file1 --key=t.key
secret tls t --cert=t.crt --key=file1
secret docker-registry r --docker-username=u --docker-password=p --docker-email=e
secret docker-registry r --docker-username=u --docker-password=p --docker-server=r.io
secret docker-registry r --from-file=file1
secret docker-registry r --docker-username=u
service clusterip s --tcp=80:8080 --tcp=90
svc clusterip s --clusterip=None
svc clusterip s --tcp=80 --clusterip=10.96.0.77
svc clusterip s
svc clusterip s --tcp=x
svc clusterip s --tcp=70000
svc nodeport s --tcp=80:web --node-port=30080
svc nodeport s
svc loadbalancer s --tcp=80
svc externalname s --external-name=a.b --tcp=80
svc externalname s --external-name=A_B
svc externalname s
namespace n
ns
ns a b
serviceaccount s
sa
role r --verb=get,list --resource=pods,deployments.apps --resource-name=x
role r --verb=get --resource=deploy.apps/scale,pods/log --resource=pods
role r --verb=get --verb='*' --resource='*'
role r --verb=get
role r --resource=pods
role r --verb=get --resource=nosuch
role r --verb=foo --resource=pods
clusterrole r --verb=get --resource=pods/log,nodes
clusterrole r --verb=get --non-resource-url=/healthz,/logs/*
clusterrole r --verb=get --non-resource-url=x
clusterrole r --verb=list --non-resource-url=/x
clusterrole r --aggregation-rule=a=b,c=d
clusterrole r
rolebinding b --clusterrole=x --user=u --group=g --serviceaccount=ns:sa
rolebinding b --role=x
rolebinding b
rolebinding b --role=a --clusterrole=b
rolebinding b --role=a --serviceaccount=x
clusterrolebinding b --clusterrole=x --user=u
clusterrolebinding b
quota q --hard=pods=3,cpu=0.5,memory=1024Mi --scopes=BestEffort,NotTerminating
quota q
quota q --hard=a
quota q --hard=a=x
priorityclass p --value=5 --global-default=true --description=d --preemption-policy=Never
pc p --value=-5
pdb p --selector=a=b --min-available=1
poddisruptionbudget p --selector=a=b,c=d --max-unavailable=50%
pdb p
pdb p --selector=a=b
pdb p --selector=a=b --min-available=1 --max-unavailable=1
pdb p --selector=a=b --min-available=x
nosuch x
"""
# Each twice: the second time it is there already.
MADE = """
deployment d --image=nginx
cm c --from-literal=a=b
secret generic s --from-literal=a=b
svc clusterip s1 --tcp=80
svc nodeport s2 --tcp=80
svc loadbalancer s3 --tcp=80
svc externalname s4 --external-name=a.b
sa s
role r --verb=get --resource=pods
rolebinding b --role=x
quota q --hard=services=9
pdb p --selector=a=b --min-available=1
cm nothing --dry-run=server
deployment Wrong --image=x
deployment d2 --image=x --replicas=-1
quota q2 --scopes=X
token nosuch
token default --duration=1s
token default --duration=x
token default --bound-object-kind=Pod
token default --bound-object-kind=X --bound-object-name=a
token default --bound-object-kind=Pod --bound-object-name=nosuch
"""


@pytest.fixture
def files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the calls, where the tests work."""
    (folder / "file1").write_text("hello\nworld\n")
    (folder / "bin1").write_bytes(b"\xff\xfe")
    (folder / "env1").write_text("A=1\n# not this\n\n  C\nD=x=y\n")
    (folder / "env2").write_text("B =1\n")
    (folder / "folder/inner").mkdir(parents=True)
    (folder / "folder/one").write_text("1\n")
    (folder / "folder/two").write_text("2\n")
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now(), now().replace(year=2099))
    (folder / "t.crt").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    for file, one in (("t.key", key), ("other.key", ec.generate_private_key(ec.SECP256R1()))):
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / file).write_bytes(one.private_bytes(*form))
    monkeypatch.setenv("C", "from here")


def flagged(line: str, *flags: str) -> list[str]:
    """The words of a call, with flags before the dashes."""
    words = shlex.split(line)
    at = words.index("--") if "--" in words else len(words)
    return ["create", *words[:at], *flags, *words[at:]]


LINES = SHOWN.strip().splitlines()
FIRST = list({line.split(" --")[0]: line for line in reversed(LINES)}.values())


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("form", "lines"), [("yaml", LINES), ("json", FIRST)])
def test_what_would_be_made_is_the_same(both: Both, form: str, lines: list[str]) -> None:
    differing = [found for line in lines if (found := both.differ(line, flagged(line, "--dry-run=client", "-o", form)))]
    assert not differing, "\n".join(differing)


def test_what_is_made_and_refused_is_told_alike(both: Both) -> None:
    both.same(f"create {line}" for line in MADE.strip().splitlines() for _ in range(2))


def test_a_token_is_printed(both: Both) -> None:
    both.steer("create", "sa", "bearer")
    said, _, code = both.steer("create", "token", "bearer", "--duration=20m", "--audience=me")
    assert code == 0
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", said)
    shown, _, _ = both.steer("create", "token", "bearer", "-o", "jsonpath={.spec.expirationSeconds}")
    assert shown == "3600"
