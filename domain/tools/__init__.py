"""What an agent can do while it answers."""

from domain.tools.nonce import Nonces, Salts
from domain.tools.remote import RemoteText, RemoteTexts
from domain.tools.rewriting import Rewritten
from domain.tools.skills import SkillSet
from domain.tools.toolbox import EXPLANATION, Toolbox
from domain.tools.worker import Worker

__all__ = [
    "EXPLANATION",
    "Nonces",
    "RemoteText",
    "RemoteTexts",
    "Rewritten",
    "Salts",
    "SkillSet",
    "Toolbox",
    "Worker",
]
