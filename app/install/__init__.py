"""From a fresh clone to something that runs, with nothing but Python: `python3 -m app.install [--dev]`.

Stands before every dependency, so only the standard library is imported here. What is installed, and from which file of
hashes, is all there is to know about it; from where, is for the machine to say in pip's settings or in uv's.
"""
