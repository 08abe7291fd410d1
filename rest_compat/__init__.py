"""REST endpoints compiled from GraphQL operations, in the accents of the APIs they come from."""

from rest_compat.app import RestApp
from rest_compat.bodies import Limits
from rest_compat.compiler import Endpoint, compile_dialect, compile_documents
from rest_compat.dialect import Dialect
from rest_compat.mistakes import CompileError

__all__ = ["CompileError", "Dialect", "Endpoint", "Limits", "RestApp", "compile_dialect", "compile_documents"]
