# syntax=docker/dockerfile:1

# Stage 1 builds a virtual environment with what idp runs on, and beside it one with what builds idp. Only the first
# reaches the final image: no build tools, and nothing that only the demo or the tests need.
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/idp && python -m venv /opt/build
WORKDIR /src
# The dependencies, pinned by hash, change more rarely than the code: they get a layer of their own.
COPY requirements.lock requirements-build.lock ./
RUN /opt/idp/bin/pip install --require-hashes --requirement requirements.lock \
 && /opt/build/bin/pip install --require-hashes --requirement requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY idp idp
COPY templates templates
COPY static static
COPY migrations migrations
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /opt/wheel . \
 && /opt/idp/bin/pip install --no-deps /opt/wheel/*.whl \
 && /opt/idp/bin/python -m compileall -q /opt/idp/lib

# Stage 2 is what runs: no compiler, no package index, no root.
FROM python:3.13-slim-bookworm
RUN groupadd --gid 10001 idp \
 && useradd --uid 10001 --gid idp --no-create-home --home-dir /var/lib/idp --shell /usr/sbin/nologin idp \
 && install -d -o idp -g idp -m 0700 /var/lib/idp /var/lib/idp/keys /var/lib/idp/avatars
COPY --from=build /opt/idp /opt/idp
# Many threads otherwise give glibc many arenas, two thirds of which are waste.
ENV PATH=/opt/idp/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2 \
    IDP_ENVIRONMENT=production IDP_KEYS_DIR=/var/lib/idp/keys IDP_AVATARS__DIRECTORY=/var/lib/idp/avatars
WORKDIR /var/lib/idp
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["idp"]
CMD ["serve", "--host", "0.0.0.0", "--workers", "2"]
