"""This process in a Ray cluster, one that it joins or one of its own; afterwards nothing of Ray is left in it."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from spine.core.problems import SpineError
from spine.core.words import needs_extra
from spine.experiment.executor import ExecutorSettings

__all__ = ["in_cluster"]

OF_RAY = ("RAY_", "PYTHONBREAKPOINT")  # environment variables that Ray sets in the process that calls it
OWN = "local"  # the address of a cluster to start; without it Ray joins whatever runs on this machine, of whomever


@contextmanager
def in_cluster(settings: ExecutorSettings) -> Iterator[None]:
    """Join the cluster of the settings' address, or start one of this machine that ends with this context.

    Where this process has started or joined one already, that is used and left as it is, unless an address is given.
    SpineError where Ray or the token is missing, or the cluster cannot be joined.
    """
    ray = _ray()
    if ray.is_initialized() and not settings.address:
        yield
        return
    with _environment_put_back(), _authentication_untold():
        _give_token(settings)
        _join(ray, settings.address or OWN)
        try:
            yield
        finally:
            ray.shutdown(wait_for_processes=True)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise SpineError(needs_extra("executor.kind ray", "Ray", "ray")) from None
    return ray


def _give_token(settings: ExecutorSettings) -> None:
    if not settings.token:
        return
    if not settings.token.is_file():
        raise SpineError(f"executor.token is {settings.token}, which is no file; name the one with the cluster's token")
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(settings.token))
    _read_environment_again()


def _join(ray: Any, address: str) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    if address == OWN:
        quiet["include_dashboard"] = False
    with _ending_kept():
        try:
            ray.init(address=address, **quiet)
        except Exception as error:  # a bare one, where a node is not up in time
            named = "of this machine" if address == OWN else address
            raise SpineError(f"the Ray cluster {named} cannot be joined: {error}") from None


@contextmanager
def _environment_put_back() -> Iterator[None]:
    before = _of_ray()
    try:
        yield
    finally:
        for name in _of_ray():
            del os.environ[name]
        os.environ.update(before)
        _read_environment_again()


def _of_ray() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(OF_RAY)}


def _read_environment_again() -> None:
    """Ray keeps the mode and the token that it found first, and has no public way to forget them."""
    with suppress(ImportError, AttributeError):
        inner = import_module("ray._raylet")
        inner.Config.initialize("")
        inner.AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def _authentication_untold() -> Iterator[None]:
    """A cluster of its own asks for a token that it has made for itself, and would tell so."""
    logger = logging.getLogger("ray._private.authentication")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _ending_kept() -> Iterator[None]:
    """Ray would end this process by SIGTERM with a trace of its own, before what is half written is gone."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)
