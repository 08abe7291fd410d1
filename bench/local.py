"""How the embedded model does on this machine: time to start and to wake up, tokens a second, memory.

python -m bench.local
"""

import asyncio
import time

import psutil
import uvloop

from engine import ChatRequest, Engine, Message, Usage
from engine.local import LocalModel


async def tokens_per_second(engine: Engine, *, at_once: int) -> float:
    # Told not to stop, it says as much as it may.
    request = ChatRequest(
        model=LocalModel.name,
        messages=(Message.user("Write a long story about a cat."),),
        max_tokens=200,
        extra={"ignore_eos": True},
    )

    async def ask() -> int:
        return sum([event.output_tokens async for event in engine.chat("local", request) if isinstance(event, Usage)])

    began = time.perf_counter()
    return sum(await asyncio.gather(*(ask() for _ in range(at_once)))) / (time.perf_counter() - began)


async def first_token_seconds(engine: Engine) -> float:
    request = ChatRequest(model=LocalModel.name, messages=(Message.user("Hi"),), max_tokens=1)
    began = time.perf_counter()
    async for _ in engine.chat("local", request):
        pass
    return time.perf_counter() - began


async def main() -> None:
    local = LocalModel(idle_seconds=3)
    began = time.perf_counter()
    await local.start()
    await local.base_url()
    print(f"ready after              {time.perf_counter() - began:6.2f} s")
    engine = Engine({"local": local.provider("local")})
    child = psutil.Process(local.pid)
    for at_once in (1, 2, 4):
        print(f"{at_once} at once                {await tokens_per_second(engine, at_once=at_once):6.0f} tokens/s")
    print(f"memory, awake            {child.memory_info().rss / 2**20:6.0f} MB")
    print(f"one token, awake         {await first_token_seconds(engine):6.2f} s")
    await asyncio.sleep(4)
    used = child.cpu_times().user
    await asyncio.sleep(2)
    print(f"memory, asleep           {child.memory_info().rss / 2**20:6.0f} MB")
    print(f"CPU, asleep              {(child.cpu_times().user - used) / 2 * 100:6.1f} %")
    print(f"one token, waking up     {await first_token_seconds(engine):6.2f} s")
    began = time.perf_counter()
    await local.stop()
    print(f"stopped after            {time.perf_counter() - began:6.2f} s")
    await engine.close()


if __name__ == "__main__":
    uvloop.run(main())
