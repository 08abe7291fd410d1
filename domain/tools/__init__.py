"""What an agent can do while it answers."""

from domain.tools.nonce import Nonces, Salts
from domain.tools.remote import RemoteText, RemoteTexts
from domain.tools.toolbox import EXPLANATION, Toolbox

__all__ = ["EXPLANATION", "Nonces", "RemoteText", "RemoteTexts", "Salts", "Toolbox"]
