"""``-o go-template``: each row was asked of kubectl too."""

import pytest

from cli.steer.output.gotemplate import TemplateError, parse

VALUE = {
    "kind": "Pod",
    "metadata": {"name": "p1", "labels": {"a": "b", "c": "d"}},
    "spec": {"containers": [{"name": "x", "image": "i:1"}, {"name": "y"}], "n": 3, "yes": True, "no": False},
}


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{.metadata.name}}", "p1"),
        ("{{.nosuch}} {{.nosuch.deeper}}", "<no value> <no value>"),
        ("{{.metadata.labels}}", "map[a:b c:d]"),
        ('{{len .spec.containers}} {{index .metadata.labels "a"}} {{(index .spec.containers 0).image}}', "2 b i:1"),
        (
            '{{printf "%s-%d|%5s|%-5s|%05d %v %q" .metadata.name 3 "b" "c" 7 true "q"}}',
            'p1-3|    b|c    |00007 true "q"',
        ),
        ("{{range $k, $v := .metadata.labels}}{{$k}}={{$v}};{{end}}", "a=b;c=d;"),
        ("{{range $i, $c := .spec.containers}}{{$i}}:{{$c.name}} {{end}}", "0:x 1:y "),
        ("{{range .nosuch}}x{{else}}none{{end}}{{with .nosuch}}a{{else}}b{{end}}", "noneb"),
        ("{{with .spec}}{{.n}}{{$.kind}}{{end}}", "3Pod"),
        ("a {{- .kind -}} b", "aPodb"),
        ("{{/* said to nobody */}}{{.kind}}", "Pod"),
        ('{{$x := "a"}}{{if eq .kind "Pod" "Node"}}{{$x = "y"}}{{end}}{{$x}}', "y"),
        ("{{if .spec.no}}1{{else if .spec.yes}}2{{else}}3{{end}}", "2"),
        ('{{and .kind .nosuch}}{{or .nosuch "d"}}{{not .nosuch}}{{.metadata.name | len}}', "<no value>dtrue2"),
        ('{{print 1 2 "a" "b"}}', "1 2ab"),
        ('{{"aGk=" | base64decode}} {{exists . "metadata" "name"}} {{slice "abcd" 1 3}}', "hi true bc"),
        ('{{.metadata.labels | len | printf "%d-%s" 3}}', "3-%!s(int=2)"),
        ("{{`{{raw}}`}}", "{{raw}}"),
    ],
)
def test_it_prints_what_go_would(template: str, told: str) -> None:
    assert parse(template)(VALUE) == told


@pytest.mark.parametrize(
    ("template", "wrong"),
    [
        ("{{.x", "unclosed action"),
        ("{{nosuch .}}", 'function "nosuch" not defined'),
        ("{{if}}", "missing value for if"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{if .kind}}", "unexpected EOF"),
    ],
)
def test_what_is_no_template_is_refused(template: str, wrong: str) -> None:
    with pytest.raises(TemplateError, match=wrong):
        parse(template)


def test_what_cannot_be_carried_out_is_told() -> None:
    for template in ("{{.kind.x}}", "{{range .kind}}{{end}}", "{{index .spec.containers 9}}", "{{$y}}", "{{len 3}}"):
        with pytest.raises(TemplateError):
            parse(template)(VALUE)
