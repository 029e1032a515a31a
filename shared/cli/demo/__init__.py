"""`leadflow demo`: six months of two business units, made from a seed and played through the public HTTP API."""

from shared.cli.demo.command import demo

__all__ = ["demo"]
