# The service alone; PostgreSQL is elsewhere, named by DATABASE_URL.
#   docker build -t leasehold .
#   docker run --rm -e DATABASE_URL=... leasehold node build/src/commands/migrate.js up
#   docker run -p 8080:8080 -e DATABASE_URL=... -e BOOTSTRAP_KEY=... leasehold
# It writes no files: run it with --read-only if you like.

ARG NODE_VERSION=26.10

FROM node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The compiler is an optional dependency, one package a platform: nothing can be left out here.
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY src ./src
RUN npm run build

FROM node:${NODE_VERSION}-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Without the optional dependencies there is no embedded PostgreSQL, whose files would be gone with the container.
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund && npm cache clean --force
COPY migrations ./migrations
COPY vendor ./vendor
COPY --from=build /app/build/src ./build/src
USER node
EXPOSE 8080
# Liveness, since what acts on this starts containers again: a database that is away is no reason to. Balancers
# ask /readyz.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/livez').then(answer => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Not through npm, so that node gets the signals. It handles SIGTERM and SIGINT as process 1, and starts no processes
# but its workers, which it reaps.
CMD ["node", "build/src/main.js"]
