"""`gateway completion SHELL`: what a shell has to read so that it completes commands and options."""

from typing import Any

import rich_click as click
from click.shell_completion import get_completion_class

from gateway.cli import show


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    bash: `gateway completion bash > ~/.local/share/bash-completion/completions/gateway`; zsh: into a file `_gateway` on
    the `fpath`; fish: into `~/.config/fish/completions/gateway.fish`.
    """
    kind: Any = get_completion_class(shell)
    show.say(kind(ctx.find_root().command, {}, "gateway", "_GATEWAY_COMPLETE").source())
