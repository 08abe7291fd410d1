"""The APIs this server answers, one folder each."""

from rest_compat.dialect import Dialect
from rest_compat.dialects.aegis import AEGIS
from rest_compat.dialects.aivax import AIVAX
from rest_compat.dialects.informedai import INFORMEDAI

__all__ = ["DIALECTS"]

DIALECTS: tuple[Dialect, ...] = (AEGIS, AIVAX, INFORMEDAI)
