"""`fedpact`: finds the noun, imports only its module, and turns errors into exit codes.

Exit codes: 0 done, 1 rejected (by a contract, or an audit with findings), 2 usage, 3 the ledger cannot be
reached or opened, 4 the outcome of a submitted transaction is unknown.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys

import click

NOUNS = {
    "audit": "verify a whole ledger",
    "bench": "measure, as ratios against a peer in the same run",
    "chaincode": "agree on the code that runs",
    "channel": "who belongs, how blocks are cut, who decides what; change it",
    "consortium": "found a consortium, enrol members, vote",
    "credit": "accounts, payments, issue",
    "data": "publish dataset profiles, fetch public data sets",
    "demo": "a complete run on real data",
    "device": "register devices, anchor readings",
    "ledger": "look at blocks, transactions and state; backup, export",
    "node": "serve a ledger to clients on other machines",
    "privacy": "grant and see budgets of privacy",
    "retrieval": "find the datasets that fit a request",
    "sharing": "requests, grants, results",
    "task": "training tasks, their teams and rounds",
}
"""Every noun, with the line that `fedpact --help` shows; each is `fedpact.cli.<noun>:command`."""

EXTRAS = {"flwr": "flower", "psycopg": "postgresql", "torch": "torch"}
"""Which extra brings a module that some commands need; `demo` brings the others."""

REJECTED, USAGE, UNREACHABLE, UNKNOWN_OUTCOME = 1, 2, 3, 4


class Nouns(click.Group):
    """Imports a noun's module only when it is called, so that start-up stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the nouns, sorted."""
        return sorted(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one noun's command."""
        if cmd_name not in NOUNS:
            return None
        module = importlib.import_module(f"fedpact.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the noun, or name the nearest one."""
        if args[0] not in NOUNS and not args[0].startswith("-"):
            nearest = difflib.get_close_matches(args[0], NOUNS, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(sorted(NOUNS))}"
            raise click.UsageError(f"no noun is called {args[0]!r:.80}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of nouns without importing them."""
        with formatter.section("Nouns"):
            formatter.write_dl(sorted(NOUNS.items()))


@click.group(cls=Nouns, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fedpact")
def cli() -> None:
    """Consortium data sharing and federated learning on permissioned ledgers."""


def main() -> None:
    """Run the command line and exit."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.Abort:
        click.echo("aborted", err=True)
        sys.exit(REJECTED)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(USAGE)
    except click.ClickException as error:
        place = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        say(error.format_message() + (f" (see `{place} --help`)" if place else ""))
        sys.exit(error.exit_code)
    except BrokenPipeError:  # who read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(REJECTED)
    except Exception as error:
        sys.exit(explain(error))


def explain(error: Exception) -> int:
    """Print an error of the product in one line and return its exit code; raise what is a bug.

    Every error of fedpact has a stable `code` or a place in the gateway's tree.
    """
    from fedpact.gateway.errors import GatewayError, OutcomeUnknown
    from fedpact.gateway.transport import Status, TransportError
    from fedpact.ledger import LedgerError
    from fedpact_chaincode.errors import Rejected

    text, code = str(error), REJECTED
    if isinstance(error, OutcomeUnknown):
        text += "; look it up with `fedpact ledger tx` before you do it again"
        code = UNKNOWN_OUTCOME
    elif isinstance(error, LedgerError | TransportError):
        code = UNREACHABLE
    elif isinstance(error, GatewayError):
        code = UNREACHABLE if error.status in (Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED) else REJECTED
    elif getattr(error, "code", None) in ("UNREACHABLE", "UNAVAILABLE", "NOT_SERVED"):
        code = UNREACHABLE
    elif isinstance(error, ModuleNotFoundError) and not (error.name or "fedpact").startswith("fedpact"):
        extra = EXTRAS.get(str(error.name), "demo")
        text = f"{error.name} is not installed: install fedpact with an extra, as fedpact[{extra}]"
    elif not (isinstance(error, Rejected | OSError) or hasattr(error, "code")):
        raise error
    say(text)
    return code


def say(text: str) -> None:
    """Print an error in one line on stderr."""
    from fedpact.cli.output import visible

    click.echo(f"error: {visible(' '.join(text.split()))}", err=True)
