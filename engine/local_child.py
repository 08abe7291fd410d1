"""The process the embedded model lives in; run by `engine/local.py`, never imported.

Its owner writes one line of JSON to its standard input and then nothing: the end of that stream is the end of the
owner, whatever it died of, and so the end of this process.
"""

import json
import os
import signal
import sys

import xllamacpp  # type: ignore[import-untyped]  # ships no stubs


def main() -> None:
    # Ctrl-C reaches the whole process group, but it is the owner who decides when this ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ready = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the library prints is a complaint, and nobody reads our standard output to the end
    options = json.loads(sys.stdin.readline())

    params = xllamacpp.CommonParams()
    params.model.path = options["path"]
    params.model_alias = {options["name"]}
    params.port = options["port"]
    params.api_keys = [options["key"]]
    params.cors_origins = ""
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options["threads"]
    # A context for each answer: out of a shared one, two long conversations would push each other.
    params.n_ctx = options["context_tokens"] * options["answers_at_once"]
    params.n_parallel = options["answers_at_once"]
    params.kv_unified = False
    params.n_predict = options["max_tokens"]
    params.sleep_idle_seconds = options["idle_seconds"]
    params.cache_ram_mib = 0
    params.ui = params.warmup = params.endpoint_slots = False
    params.verbosity = 1
    server = xllamacpp.Server(params)

    ready.write(f"{server.listening_address}\n")
    ready.close()
    sys.stdin.read()
    os._exit(0)  # a tidy shutdown would wait for answers that nobody will read


if __name__ == "__main__":
    main()
