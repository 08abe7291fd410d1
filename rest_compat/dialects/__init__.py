"""The APIs this server answers, one folder each."""

from rest_compat.dialect import Dialect
from rest_compat.dialects.aegis import AEGIS

__all__ = ["DIALECTS"]

DIALECTS: tuple[Dialect, ...] = (AEGIS,)
