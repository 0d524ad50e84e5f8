# An image for `run`, `stream` and `serve`: the wheel with some of its extras, each library as pinned in requirements.lock.
#
#     make package
#     docker build --build-arg EXTRAS=live,s3 -t stockstream .

ARG PYTHON=3.13-slim-trixie
ARG EXTRAS=live,redis,s3,serve,yahoo

FROM python:${PYTHON} AS build
ARG EXTRAS
SHELL ["/bin/bash", "-o", "errexit", "-o", "pipefail", "-c"]
WORKDIR /build
COPY requirements.lock ./
# uv checks the hashes of constraints, as pip does only since 26.
RUN sed -n '/^uv==/,/[^\\]$/p' requirements.lock > uv.txt \
    && python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r uv.txt
COPY dist/*.whl dist/
RUN wheels=(dist/*.whl) \
    && test "${#wheels[@]}" -eq 1 \
    && sum=$(sha256sum "${wheels[0]}" | cut -d ' ' -f 1) \
    && printf 'stock-stream[%s] @ file://%s --hash=sha256:%s\n' "$EXTRAS" "$PWD/${wheels[0]}" "$sum" > wheel.txt \
    && python -m venv --without-pip /opt/stockstream \
    && uv pip install --python /opt/stockstream/bin/python --no-cache --link-mode copy --compile-bytecode \
        --only-binary :all: --require-hashes -c requirements.lock -r wheel.txt

FROM python:${PYTHON}
RUN useradd --system --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin stockstream
COPY --from=build /opt/stockstream /opt/stockstream
ENV HOME=/tmp \
    PATH=/opt/stockstream/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STOCKSTREAM_HEARTBEAT=/tmp/heartbeat
# The only folder that is written besides a lake: the file system may be read-only otherwise.
VOLUME ["/tmp"]
WORKDIR /tmp
USER 10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["stockstream"]
CMD ["--help"]
