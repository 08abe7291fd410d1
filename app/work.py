"""`palaver worker`: the background work of the platform, beside any number of web processes."""

import asyncio
import signal

from app.runtime import Runtime, Surroundings
from app.serve import database_for, say
from app.settings import Settings
from models.database import migrate

__all__ = ["work"]


async def work(settings: Settings) -> int:
    leaving = asyncio.Event()
    for sig in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sig, leaving.set)
    async with database_for(settings) as credentials:
        await migrate(credentials)
        async with Runtime(settings, Surroundings(credentials), works=True):
            say("Worker is ready. Ctrl-C ends it.")
            await leaving.wait()
    return 0
