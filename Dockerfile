# The service with its bundled models, for CPUs (the last target, so the default) or, with `--target cuda`, NVIDIA GPUs:
#
#     docker build -t anytime .
#     docker run --read-only -p 127.0.0.1:8000:8000 anytime
#
# Nothing is written while it runs. Versions are those of constraints.txt; name BASE by its digest to pin that as well.
ARG BASE=python:3.11-slim-bookworm

# ---- what is needed to install, and is left behind

FROM ${BASE} AS builder
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ libc6-dev python3-dev \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/anytime
# The constraints hold for what builds the package, too.
ENV PATH=/opt/anytime/bin:$PATH PIP_CONSTRAINT=/source/constraints.txt PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY pyproject.toml constraints.txt deploy/container/requirements.py ./

# Dependencies first: they change more seldom than the source does.
FROM builder AS installed-cuda
RUN python requirements.py > requirements.txt && pip install -r requirements.txt
COPY . .
RUN pip install --no-deps .

FROM builder AS installed-cpu
# PyTorch's own index has wheels without CUDA's libraries, which are several gigabytes.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python requirements.py --cpu > requirements.txt \
    && pip install --extra-index-url "${TORCH_INDEX}" -r requirements.txt
COPY . .
RUN pip install --no-deps .

# ---- what runs

FROM ${BASE} AS runtime
RUN groupadd --gid 10001 anytime && useradd --uid 10001 --gid anytime --no-create-home --shell /usr/sbin/nologin anytime
ENV PATH=/opt/anytime/bin:$PATH PYTHONUNBUFFERED=1 ANYTIME_HOST=0.0.0.0 ANYTIME_PORT=8000
EXPOSE 8000
# Ready, not only alive: until the models are loaded nobody should be sent here.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"ANYTIME_PORT\"]}/readyz', timeout=2)"]
STOPSIGNAL SIGTERM
USER 10001:10001
WORKDIR /
ENTRYPOINT ["anytime"]
CMD ["serve"]

FROM runtime AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=installed-cuda /opt/anytime /opt/anytime

FROM runtime AS cpu
COPY --from=installed-cpu /opt/anytime /opt/anytime
