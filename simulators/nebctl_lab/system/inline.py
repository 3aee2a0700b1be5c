"""An executor without a thread, for a loop that must do the same twice."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

T = TypeVar("T")


class Inline(Executor):
    """Does what it is given at once, in the caller's thread; it holds the loop up, and virtual time does not mind.

    While `severed`, as the disk of a host without power, it does nothing and answers nothing.
    """

    def __init__(self) -> None:
        self.severed = False
        self._shut = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Do the work and return its result.

        Raises: `RuntimeError` after the shutdown.
        """
        if self._shut:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[T] = Future()
        if self.severed:
            return future
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take nothing more; whoever has no power does not even hear it."""
        self._shut = not self.severed and (wait or not cancel_futures)
