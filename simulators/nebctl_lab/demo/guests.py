"""After the course, with everything left running: a person plays, and the demonstration pours and empties the cups."""

import contextlib
import time

import click

from nebctl_lab.bedside import Answer, Http
from nebctl_lab.demo.play import Stage, set_time
from nebctl_lab.demo.site import GUEST, THERAPIST
from nebctl_lab.people import PIN

PLAY_SPEED = 20
"""Simulated seconds a real second while a person plays: a dose of 8 min takes about 24 s."""
LOOK_S = 0.5
POUR_NL = 3_000_000


def attend(stage: Stage) -> None:
    """Tell a person where the pages are, and serve the cups until Ctrl-C."""
    set_time(stage.site, GUEST.begins, PLAY_SPEED)
    click.echo(_invitation(stage))
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            for therapist in stage.therapists:
                with contextlib.suppress(OSError, Answer):
                    _serve(therapist.unit.get("/api/state")["state"], therapist.device)
            time.sleep(LOOK_S)
    click.echo("ending every process")


def _serve(state: str, device: Http) -> None:
    """Pour 3 mL for a dose that is to be given, and empty the cup once a dose is over."""
    cup_nl = device.get("/state")["cup_nl"]
    if state == "authorised" and cup_nl == 0:
        device.post("/fill", nl=POUR_NL)
    elif state in ("idle", "signing") and cup_nl > 0:
        device.post("/empty")


def _invitation(stage: Stage) -> str:
    token = (stage.site.root / "pharmacy.token").read_text("ascii")
    pages = (f"  {therapist.bedside.unit}: {therapist.unit.address}/" for therapist in stage.therapists)
    lines = (
        "",
        f"Play with it; time runs {PLAY_SPEED} times as fast, and a cup is filled with 3 mL when it is needed.",
        *pages,
        f"  pharmacy: {stage.pharmacy}/?token={token}",
        f"Sign in with badge {THERAPIST[0]} and PIN {PIN}.",
        f"Give {GUEST.subject} a dose on {GUEST.unit}, with kit {GUEST.kits[0]}.",
        "Ctrl-C ends every process.",
    )
    return "\n".join(lines)
