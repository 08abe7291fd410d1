"""What a provider sends: the bytes as they came, beside what they mean."""

from dataclasses import dataclass

from engine.events import Event
from engine.targets import Target

__all__ = ["Heard", "Packet"]


@dataclass(slots=True)
class Heard:
    """One piece of an answer.

    `block` is the JSON of one event of a stream, as the provider sent it, or the whole body of a plain answer; where
    the provider speaks another wire it is built to look so. It is empty for what is known without a block of its
    own: tool calls put together from their pieces, usage that came along with something else, and the end.

    Among the events None is a sign of life: a piece of something that is not whole yet.
    """

    block: bytes
    events: list[Event | None]
    # This block says why the answer ends; what may still follow it is the usage, in a block whose events hold it.
    finishes: bool = False


@dataclass(slots=True)
class Packet:
    """What came in one read from the network, and from whom."""

    target: Target
    heard: list[Heard]
