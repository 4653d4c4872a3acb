"""The flags of how objects are printed: -o and what goes with it."""

import click

from cli.steer.output.printing import FORMS, TABLE_FORMS, Form, check

_META = "cli.steer.output.flags"


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    ctx.meta.setdefault(_META, {})[param.name] = value


def _form(ctx: click.Context, _: click.Parameter, output: str) -> Form:
    said = ctx.meta.pop(_META, {})
    template = said.get("template", "")
    if template and "=" not in output:
        output = f"{output or 'go-template'}={template}"
    return Form(output, managed_fields=bool(said.get("show_managed_fields")))


def _checked(ctx: click.Context, param: click.Parameter, output: str) -> Form:
    form = _form(ctx, param, output)
    if form:
        check(form)
    return form


# The others go into what -o is for the verb.
_MORE = (
    click.option("--template", default="", is_eager=True, expose_value=False, callback=_keep,
                 help="The template, or its file, where -o does not say it."),
    click.option("--show-managed-fields", is_flag=True, is_eager=True, expose_value=False, callback=_keep,
                 help="Keep the managedFields when printing objects as JSON or YAML."),
)  # fmt: skip
OUTPUT = (
    click.option("-o", "--output", default="", callback=_checked, help=f"Output format: {FORMS}."),
    *_MORE,
)
# Of a verb that draws tables.
TABLE_OUTPUT = (
    click.option("-o", "--output", default="", callback=_form, help=f"Output format: {FORMS}|{TABLE_FORMS}."),
    *_MORE,
)
