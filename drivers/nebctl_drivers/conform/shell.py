"""The engineer's own command lines: what cuts the power, pulls the reset pin, or lets the load run dry."""

import asyncio
import contextlib

from .bench import Act

COMMAND_S = 60.0
_TAIL = 200


def shell_act(option: str, command: str | None) -> Act | None:
    """Return what runs `command` in the engineer's shell, word for word as given with `option`; None for none."""
    if command is None:
        return None

    async def act() -> str | None:
        return await _run(option, command)

    return act


async def _run(option: str, command: str) -> str | None:
    process = await asyncio.create_subprocess_shell(
        command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(COMMAND_S):
            said, _ = await process.communicate()
    except TimeoutError:
        return f"{option}: {command!r} was not done after {COMMAND_S:g} s"
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        tail = said.decode(errors="replace").strip()[-_TAIL:]
        return f"{option}: {command!r} ended with {process.returncode}" + (f" ({tail})" if tail else "")
    return None
