# One image, one process: the API server and the reconciler. etcd is another container (deploy/etcd.yaml).
#   docker build -t website-apiserver:0.1.0 .

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv --without-pip /opt/venv
# Wheels with known hashes only: nothing is compiled, and nothing but what was locked gets in.
COPY requirements-runtime.lock /build/
RUN pip --python /opt/venv/bin/python install --require-hashes --only-binary=:all: -r /build/requirements-runtime.lock
COPY apiserver /app/apiserver
COPY http2 /app/http2
COPY storage /app/storage
COPY reconciler /app/reconciler
# The root file system is read-only where this runs, so the bytecode is made here.
RUN /opt/venv/bin/python -m compileall -q /app

FROM python:3.13-slim
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
# Numeric, so that runAsNonRoot can be checked; the same as in deploy/deployment.yaml.
USER 65532:65532
EXPOSE 10250
ENTRYPOINT ["python", "-m", "apiserver"]
