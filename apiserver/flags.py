"""A command line as Kubernetes' programs have it, made from the fields of a model.

`--etcd-servers` is the field `etcd_servers`; a repeated list flag adds, of any other flag the last one counts (as pflag
does).
"""

import difflib
from argparse import SUPPRESS, ArgumentParser, HelpFormatter
from collections.abc import Sequence
from typing import Any, NoReturn, get_origin

from pydantic.fields import FieldInfo

Fields = dict[str, FieldInfo]
PREFIX = "APISERVER_"
"""Of the variables that each flag can be set with."""
_LISTS = (tuple, dict)


class FlagError(Exception):
    """A command line that cannot be read; one sentence."""


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise FlagError(f"{message.removeprefix('argument ')}; --help lists the flags")


def flag(field: str) -> str:
    return "--" + field.replace("_", "-")


def variable(field: str) -> str:
    return PREFIX + field.upper()


def _parser(fields: Fields, version: str) -> ArgumentParser:
    parser = _Parser(
        prog="python -m apiserver",
        usage="%(prog)s [--flag=value ...]",
        description=f"Each flag can also be set in the environment: --etcd-servers as {variable('etcd_servers')}.",
        formatter_class=lambda prog: HelpFormatter(prog, max_help_position=34, width=120),
        allow_abbrev=False,
        argument_default=SUPPRESS,
    )
    parser.add_argument("--version", action="version", version=version)
    for name, field in fields.items():
        switch: dict[str, Any] = {"nargs": "?", "const": "true"} if field.annotation is bool else {}
        names = ("-v", "--v") if name == "v" else (flag(name),)
        metavar = name.rpartition("_")[2].upper()
        parser.add_argument(*names, dest=name, action="append", metavar=metavar, help=_help(field), **switch)
    return parser


def _help(field: FieldInfo) -> str:
    description, default = field.description or "", field.default
    if field.default_factory is not None or default in (None, False, ()):
        return description
    shown = ",".join(default) if isinstance(default, tuple) else default
    return f"{description.removesuffix('.')} (default: {shown})."


def given(fields: Fields, argv: Sequence[str], version: str) -> dict[str, str]:
    """The text of each flag on the command line. Raises FlagError; --help and --version print and raise SystemExit."""
    values, unknown = _parser(fields, version).parse_known_args(argv)
    if unknown:
        raise FlagError(_unknown(unknown[0], fields))
    lists = {name for name, field in fields.items() if get_origin(field.annotation) in _LISTS}
    return {name: ",".join(texts) if name in lists else texts[-1] for name, texts in vars(values).items()}


def _unknown(argument: str, fields: Fields) -> str:
    if not argument.startswith("-"):
        return f"{argument!r} is no flag: every argument is a --flag or its value; --help lists the flags"
    name = argument.partition("=")[0]
    close = difflib.get_close_matches(name, map(flag, fields), 1)
    return f"unknown flag {name}: {f'did you mean {close[0]}? ' if close else ''}--help lists the flags"
