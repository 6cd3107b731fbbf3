import type { Control } from './control.ts'

// as they stand in the compiled templates
const S = '$' + '{schema}'
const OWN_SCHEMA = '$' + '{this.#database.schema}'

const CONFLICT = '\n  on conflict (namespace, resource_type, resource_id) do nothing'
const CLAIMED_INSERTS = ['acquire-one', 'acquire-many', 'acquire-batch', 'take-over'].map(
  name => `database/statements/${name}.js`,
)

/** Statements that wait for longer than any fault lasts. */
const PATIENT = { DATABASE_LOCK_TIMEOUT_MS: '10000', DATABASE_STATEMENT_TIMEOUT_MS: '10000' }

/** What delays commits without an end, so that a touch is under way for longer than its lease. */
const SLOW_COMMITS = ['standby stopped while commits wait', 'PostgreSQL paused']

/** The service without one of its guards. */
export const SERVICE_MUTANTS: readonly Control[] = [
  {
    name: 'no-claim',
    what: 'draws a token before it waits for another grant of the same resource',
    sql: [
      `create or replace function claim_resource(namespace text, resource_type text, resource_id text) returns boolean
       language sql volatile begin atomic select true; end`,
    ],
    // many that insert the same, and are stopped anywhere
    serviceSettings: { ...PATIENT, BATCH_SIZE: '1', DATABASE_POOL_SIZE: '16' },
    topology: 'single',
    faults: ['backends paused while they wait for another'],
    faultsPerMinute: 120,
    keys: 6,
    clients: 24,
    shows: ['token went back', 'stale read', 'late write accepted'],
  },
  {
    name: 'no-second-look',
    what: 'ends a session that it has seen expired without looking again',
    replacements: [
      {
        file: 'database/statements/end-sessions.js',
        from: '    for update skip locked\n  ) s`',
        to: '    for update\n  ) s`',
      },
      {
        file: 'database/statements/end-sessions.js',
        from: "ending(schema, victims, 'victim.expires_at <= clock.t', 'expired'",
        to: "ending(schema, victims, 'true', 'expired'",
      },
    ],
    // somebody has to get to the expired session while the commit of its touch waits
    serviceSettings: { ...PATIENT, BATCH_SIZE: '1', DATABASE_POOL_SIZE: '40' },
    databaseSettings: { max_connections: '180' },
    topology: 'pair',
    faults: SLOW_COMMITS,
    faultsPerMinute: 30,
    keys: 60,
    shows: ['grant lost', 'two holders', 'not linearizable'],
  },
  {
    name: 'service-clock',
    what: "judges expiry by the clock of the service's host",
    replacements: [
      {
        file: 'database/pool.js',
        from: 'const query = name === undefined ? { text, values } : { text, values, name };',
        to: `const own = "timestamptz '" + new Date().toISOString() + "'";
        const query = { text: text.replaceAll('clock_timestamp()', own).replaceAll('now()', own), values };`,
      },
    ],
    topology: 'single',
    faults: ["service's clock off by a day"],
    faultsPerMinute: 100,
    shows: ['grant lost', 'two holders', 'outlived its ttl', 'revived', 'not linearizable'],
  },
  {
    name: 'release-for-anybody',
    what: 'releases a lock for somebody who does not hold it',
    replacements: [
      {
        file: 'database/statements/release.js',
        from: "'holder = $3'",
        to: "'($3::text is null or true)'",
      },
      {
        file: 'database/statements/release.js',
        from: 'l.holder = w.holder',
        to: '(w.holder is null or true)',
      },
    ],
    topology: 'single',
    faults: [],
    keys: 60,
    shows: ['released by somebody else'],
  },
  {
    name: 'answer-before-commit',
    what: 'answers a grant before it is committed',
    replacements: [
      {
        file: 'database/pool.js',
        from: 'const result = await withDeadline(this.#client, this.#deadlineMs, () => this.#client.query(query));',
        to: `const isGrant = text.includes('insert into') && text.includes('fencing_token_seq');
        if (isGrant) await withDeadline(this.#client, this.#deadlineMs, () => this.#client.query('begin'));
        const result = await withDeadline(this.#client, this.#deadlineMs, () => this.#client.query(query));
        if (isGrant) this.#client.query('commit').catch(() => {});`,
      },
    ],
    topology: 'pair',
    faults: ['PostgreSQL killed', 'PostgreSQL stopped immediately', 'failover to the synchronous standby'],
    faultsPerMinute: 60,
    shows: ['grant lost', 'two holders', 'not linearizable'],
  },
  {
    name: 'revival',
    what: 'touches a session that has expired',
    replacements: [
      {
        file: 'database/statements/touch.js',
        from: 'present.ended_at is null and present.expires_at > clock.t',
        to: 'present.ended_at is null',
      },
    ],
    // otherwise the sweeper is faster
    serviceSettings: { SWEEP_INTERVAL_MS: '60000' },
    topology: 'single',
    faults: [],
    shows: ['revived', 'grant lost', 'two holders', 'not linearizable'],
  },
  {
    name: 'sweeper-by-id',
    what: 'sweeps sessions by ids that it has read before, without looking again',
    replacements: [
      {
        file: 'database/statements/end-sessions.js',
        from: `  where s.ctid > $1::tid and s.ctid < $2::tid
    and (
      s.ended_at is null and s.expires_at <= now()
      or s.ended_at <= now() - make_interval(secs => $4::float8)
    )
  limit $3::int
  for update skip locked\`, 'victim.ended_at is not null or victim.expires_at <= clock.t',`,
        to: `  where s.id in (
    select id from ${S}.sessions
    where ctid > $1::tid and ctid < $2::tid
      and (ended_at is null and expires_at <= now() or ended_at <= now() - make_interval(secs => $4::float8))
    limit $3::int
  )
  for update\`, 'true',`,
      },
    ],
    serviceSettings: { ...PATIENT, SWEEP_INTERVAL_MS: '100', BATCH_SIZE: '1', DATABASE_POOL_SIZE: '40' },
    databaseSettings: { max_connections: '180' },
    topology: 'pair',
    faults: ['backends paused while their commits wait'],
    faultsPerMinute: 60,
    // a connection is left for the sweeper while commits wait, and many a touch's lease ends before its commit
    clients: 60,
    lateTouches: 0.8,
    shows: ['grant lost', 'two holders', 'not linearizable'],
  },
  {
    name: 'look-then-insert',
    what: 'looks whether a resource is free and then inserts, with no unique key and no claim',
    replacements: CLAIMED_INSERTS.map(file => ({ file, from: CONFLICT, to: '' })),
    sql: [
      'alter table locks drop constraint locks_resource_key',
      'create index on locks (namespace, resource_type, resource_id)',
      `create or replace function claim_resource(namespace text, resource_type text, resource_id text) returns boolean
       language sql volatile begin atomic select true; end`,
    ],
    topology: 'single',
    faults: [],
    keys: 20,
    shows: ['two holders', 'grant lost', 'not linearizable'],
  },
  {
    name: 'token-of-the-rows',
    what: 'draws tokens from the number of locks that are there, which a release makes smaller',
    replacements: [
      {
        file: 'database/statements/fencing-token.js',
        from: `(select base from ${S}.fencing_token_base) + nextval('${S}.fencing_token_seq')`,
        to: `(select 1 + count(*) from ${S}.locks)`,
      },
    ],
    topology: 'single',
    faults: [],
    shows: ['token went back', 'token twice'],
  },
  {
    name: 'new-token-on-repeat',
    what: 'gives a repeated acquire another token',
    replacements: [
      {
        file: 'http/v1/presenters.js',
        from: 'return { ...presentLock(grant.lock), existing: grant.existing };',
        to: `const lock = presentLock(grant.lock);
    return { ...lock, fencing_token: lock.fencing_token + (grant.existing ? 1 : 0), existing: grant.existing };`,
      },
    ],
    topology: 'single',
    faults: [],
    shows: ['one lock, two faces'],
  },
  {
    name: 'stale-looks',
    what: 'answers looks from what it has read a moment ago, as a standby would',
    replacements: [
      {
        file: 'database/lock-repository.js',
        from: 'async find({ namespace, type, id }) {',
        to: `async find(resource) {
        const key = JSON.stringify(resource);
        const read = (this.read ??= new Map()).get(key);
        if (read !== undefined && read.until > performance.now()) return read.lock;
        const lock = await this.findNow(resource);
        this.read.set(key, { lock, until: performance.now() + 200 });
        return lock;
    }
    async findNow({ namespace, type, id }) {`,
      },
    ],
    topology: 'single',
    faults: [],
    keys: 60,
    shows: ['stale read', 'grant lost', 'not linearizable'],
  },
  {
    name: 'touch-after-takeover',
    what: 'goes on confirming a lock that it knew, though another has it now',
    replacements: [
      {
        file: 'locks/lock-service.js',
        from: 'return lock ?? (await this.#refuse(namespace, lockId));',
        to: `const known = (this.known ??= new Map());
        if (lock !== undefined) known.set(lockId, lock);
        return lock ?? known.get(lockId) ?? (await this.#refuse(namespace, lockId));`,
      },
    ],
    topology: 'single',
    faults: ['hand'],
    keys: 60,
    shows: ['late write accepted', 'not linearizable', 'revived'],
  },
  {
    name: 'repeat-only-reads',
    what: 'answers a repeated acquire from a plain select, so that the answer waits for no standby',
    replacements: [
      {
        file: 'database/acquirer.js',
        from: "const sessionId = request.session.kind === 'implicit' ? randomUUID() : request.session.id;",
        to: `const sessionId = request.session.kind === 'implicit' ? randomUUID() : request.session.id;
        if (request.session.kind === 'named' && request.resources.length === 1) {
            const [{ namespace, type, id }] = request.resources;
            const rows = await this.#database.run(
                \`select 'existing' as state, l.*, s.client, s.last_touch, s.expires_at, 1.0::float8 as expires_in
                from ${OWN_SCHEMA}.locks l join ${OWN_SCHEMA}.sessions s on s.id = l.session_id
                where l.session_id = $1 and l.namespace = $2 and l.resource_type = $3 and l.resource_id = $4
                and s.ended_at is null and s.expires_at > now()\`, [sessionId, namespace, type, id]);
            if (rows.length === 1) return verdictOf(rows, 1);
        }`,
      },
    ],
    topology: 'pair',
    faults: ['commits cut off while they wait before a failover'],
    faultsPerMinute: 100,
    shows: ['grant lost', 'two holders', 'not linearizable'],
  },
]
