"""`steer VERB …`: one list of verbs; each is imported only when it is asked for."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import cast

import click

from api.errors import ApiError
from cli.steer.failures import Failure, told
from cli.steer.miscalls import called_wrongly, code_of_help
from cli.steer.plugins import run_plugin
from cli.steer.reaching import with_all
from cli.steer.words import called, plain_flags
from client import Unreachable


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: its module in `cli.steer.verbs` has `command`."""

    name: str
    help: str

    @property
    def module(self) -> str:
        return f"cli.steer.verbs.{self.name.replace('-', '_')}"


VERBS = (
    Verb("get", "Display one or many resources"),
    Verb("describe", "Show details of a specific resource or group of resources"),
    Verb("create", "Create a resource from a file or from stdin, or of flags"),
    Verb("apply", "Apply a configuration to a resource by file name or stdin"),
    Verb("replace", "Replace a resource by file name or stdin"),
    Verb("patch", "Update fields of a resource"),
    Verb("delete", "Delete resources by file names, stdin, resources and names, or by resources and label selector"),
    Verb("edit", "Edit a resource on the server"),
    Verb("run", "Run a particular image on the cluster"),
    Verb("expose", "Take a replication controller, service, deployment or pod and expose it as a new service"),
    Verb("set", "Set specific features on objects"),
    Verb("label", "Update the labels on a resource"),
    Verb("annotate", "Update the annotations on a resource"),
    Verb("rollout", "Manage the rollout of a resource"),
    Verb("wait", "Wait for a specific condition on one or many resources"),
    Verb("kustomize", "Build a kustomization target from a directory or URL"),
    Verb("diff", "Diff the live version against a would-be applied version"),
    Verb("scale", "Set a new size for a deployment, replica set, or replication controller"),
    Verb("autoscale", "Auto-scale a deployment, replica set, stateful set, or replication controller"),
    Verb("rolling-update", "Replace the pods of a replication controller, one at a time"),
    Verb("logs", "Print the logs for a container in a pod"),
    Verb("exec", "Execute a command in a container"),
    Verb("attach", "Attach to a running container"),
    Verb("port-forward", "Forward one or more local ports to a pod"),
    Verb("proxy", "Run a proxy to the Kubernetes API server"),
    Verb("debug", "Create debugging sessions for troubleshooting workloads and nodes"),
    Verb("cp", "Copy files and directories to and from containers"),
    Verb("top", "Display resource (CPU/memory) usage"),
    Verb("cordon", "Mark node as unschedulable"),
    Verb("uncordon", "Mark node as schedulable"),
    Verb("drain", "Drain node in preparation for maintenance"),
    Verb("taint", "Update the taints on one or more nodes"),
    Verb("certificate", "Modify certificate resources"),
    Verb("auth", "Inspect authorization"),
    Verb("events", "List events"),
    Verb("cluster-info", "Display cluster information"),
    Verb("explain", "Get documentation for a resource"),
    Verb("api-resources", "Print the supported API resources on the server"),
    Verb("api-versions", 'Print the supported API versions on the server, in the form of "group/version"'),
    Verb("config", "Modify kubeconfig files"),
    Verb("plugin", "Provides utilities for interacting with plugins"),
    Verb("options", "Print the list of flags inherited by all commands"),
    Verb("version", "Print the client and server version information"),
    Verb("completion", "Output shell completion code for the specified shell (bash, zsh or fish)"),
)


class Verbs(click.Group):
    """The group of all verbs; only the one that is called is loaded."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [verb.name for verb in VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        for verb in VERBS:
            if verb.name == cmd_name:
                return cast(click.Command, import_module(verb.module).command)
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Verbs"):
            formatter.write_dl([(verb.name, verb.help) for verb in VERBS])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@with_all
def steer() -> None:
    """steer drives a Steersman or Kubernetes cluster: kubectl's everyday verbs, with its flags and its output."""


@steer.command("help", hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("verb", required=False, default="")
@click.pass_context
def help_(ctx: click.Context, verb: str) -> None:
    """The help of a verb, or of all."""
    assert ctx.parent is not None
    found = steer.get_command(ctx.parent, verb) if verb else steer
    if found is None:
        raise Failure(f'unknown help topic "{verb}"')
    with click.Context(found, info_name=verb or "steer", parent=ctx.parent if verb else None) as shown:
        click.echo(found.get_help(shown))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; the exit code is kubectl's: 0 done, 1 failed or called wrongly, a command's own for exec."""
    said = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if said and said[0] != "help" and all(verb.name != said[0] for verb in VERBS):
            run_plugin(said)
        words = plain_flags(steer, said)
        return int(steer.main(words, prog_name="steer", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as shown:
        print(shown.format_message())
        return code_of_help(shown.ctx)
    except click.UsageError as error:
        print(called_wrongly(error, called(steer, said)), file=sys.stderr)
        return 1
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except Failure as error:
        if str(error):
            print(error, file=sys.stderr)
        return error.exit_code
    except (ApiError, Unreachable) as error:
        print(told(error), file=sys.stderr)
        return 1
    except BrokenPipeError:  # steer get pods | head
        sys.stderr.close()
        return 141
    except OSError as error:  # the door of a verb: what the host refuses (a full disk, no rights) is told in a line
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
