"""What every handler of the API shares: a body as its model, and each refusal as a sentence."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nebctl.bedside import bodies
from nebctl.core.session import IllegalEventError
from nebctl.core.units import UnitError
from nebctl.runner import Refused

MAX_BODY = 16_384
_Model = TypeVar("_Model", bound=bodies.Body)
Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


async def explained(handler: Handler, request: Request) -> Response:
    """Answer, with every refusal as a sentence that says what is wrong and what to do."""
    try:
        return await handler(request)
    except Refused as refused:
        return problem(409, refused.refusal.code, refused.refusal.sentence)
    except IllegalEventError as illegal:
        sentence = f"That cannot be done now: the session is {illegal.state.value}."
        return problem(409, "not-now", sentence)
    except ValidationError as invalid:
        return problem(400, "body", "; ".join(_say(error["loc"], error["msg"]) for error in invalid.errors()))
    except UnitError as wrong:
        return problem(400, "quantity", str(wrong))
    except ValueError as wrong:
        return problem(400, "body", str(wrong))


def _say(where: tuple[int | str, ...], message: str) -> str:
    return f"{'.'.join(map(str, where)) or 'body'}: {message.removeprefix('Value error, ')}"


async def body_of(request: Request, model: type[_Model]) -> _Model:
    """Return the body as its model.

    Raises: `ValidationError` or `ValueError` for a body that is too long, no JSON, or not what the model takes.
    """
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY:
            raise ValueError(f"the body is longer than {MAX_BODY} bytes")
    return model.model_validate_json(bytes(data))


def problem(status: int, code: str, sentence: str) -> Response:
    """Answer with a refusal: its code, and a sentence for a person."""
    return JSONResponse({"code": code, "sentence": sentence}, status_code=status)
