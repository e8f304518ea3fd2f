-- Torrents, bounties, offers, calls and leases: the market itself. States are text, so that a row
-- reads well in psql.
CREATE TABLE torrents (
    infohash     text PRIMARY KEY CHECK (infohash ~ '^[0-9a-f]{40}$'),
    name         text NOT NULL,
    size         bigint NOT NULL CHECK (size > 0),
    piece_length bigint NOT NULL CHECK (piece_length > 0),
    pieces       int NOT NULL CHECK (pieces > 0),
    files        int NOT NULL CHECK (files > 0),
    private      boolean NOT NULL,
    metainfo     bytea NOT NULL,
    added_by     text NOT NULL,
    added_at     timestamptz NOT NULL
);
CREATE INDEX torrents_added ON torrents (added_at DESC, infohash);

CREATE TABLE bounties (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    poster     text NOT NULL,
    instrument text NOT NULL CHECK (instrument = 'keepalive'),
    infohash   text NOT NULL REFERENCES torrents,
    replicas   int NOT NULL CHECK (replicas > 0),
    price_max  numeric(40,0) NOT NULL CHECK (price_max > 0 AND price_max % 1000000000000 = 0),
    keep_for   bigint NOT NULL CHECK (keep_for > 0), -- microseconds, as every span
    mandate    text NOT NULL,
    regions    text[] NOT NULL,
    rate_min   bigint NOT NULL CHECK (rate_min >= 0),
    good_for   bigint NOT NULL CHECK (good_for > 0),
    name       text NOT NULL,
    size       bigint NOT NULL,
    billed     bigint NOT NULL CHECK (billed >= size),
    state      text NOT NULL CHECK (state IN ('unfunded', 'open', 'filled', 'degraded', 'completed',
                                              'cancelled', 'expired')),
    reason     text NOT NULL DEFAULT '',
    spent      numeric(40,0) NOT NULL DEFAULT 0,
    posted_at  timestamptz NOT NULL,
    good_till  timestamptz NOT NULL,
    ends_at    timestamptz,
    closing    text NOT NULL DEFAULT '' CHECK (closing IN ('', 'cancelled', 'completed')),
    FOREIGN KEY (poster, mandate) REFERENCES mandates
);
CREATE INDEX bounties_live ON bounties (id) WHERE state IN ('open', 'filled', 'degraded');
CREATE INDEX bounties_poster ON bounties (poster, id);
CREATE INDEX bounties_infohash ON bounties (infohash, id);

CREATE TABLE offers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent      text NOT NULL UNIQUE,
    terms      jsonb NOT NULL,
    state      text NOT NULL CHECK (state IN ('live', 'paused', 'closed')),
    standing   text NOT NULL DEFAULT 'new'
               CHECK (standing IN ('new', 'vetted', 'suspended', 'disqualified')),
    reason     text NOT NULL DEFAULT '',
    passed     int NOT NULL DEFAULT 0,
    faults     int NOT NULL DEFAULT 0,
    first_seen timestamptz NOT NULL,
    posted_at  timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL
);

CREATE TABLE calls (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    previous  text NOT NULL,
    input     text NOT NULL,
    hash      text NOT NULL UNIQUE,
    at        timestamptz NOT NULL,
    bounties  int NOT NULL,
    offers    int NOT NULL,
    fills     jsonb NOT NULL,
    clearings jsonb NOT NULL
);

CREATE TABLE leases (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bounty      bigint NOT NULL REFERENCES bounties,
    offer       bigint NOT NULL REFERENCES offers,
    call        bigint NOT NULL REFERENCES calls,
    poster      text NOT NULL,
    mandate     text NOT NULL,
    agent       text NOT NULL,
    payee       text NOT NULL,
    peer        text NOT NULL,
    infohash    text NOT NULL,
    size        bigint NOT NULL,
    billed      bigint NOT NULL,
    price       numeric(40,0) NOT NULL CHECK (price >= 0),
    keep_for    bigint NOT NULL,
    state       text NOT NULL CHECK (state IN ('reserved', 'fetching', 'proving', 'active', 'grace',
                                               'completed', 'released', 'failed')),
    reason      text NOT NULL DEFAULT '',
    reserved_at timestamptz NOT NULL,
    deadline    timestamptz,
    active_at   timestamptz,
    ends_at     timestamptz,
    ended_at    timestamptz,
    verified    bigint NOT NULL DEFAULT 0 CHECK (verified >= 0), -- seconds
    earned      numeric(40,0) NOT NULL DEFAULT 0,
    held        numeric(40,0) NOT NULL DEFAULT 0,
    passed      int NOT NULL DEFAULT 0,
    missed      int NOT NULL DEFAULT 0
);
CREATE INDEX leases_bounty ON leases (bounty, id);
CREATE INDEX leases_agent ON leases (agent, id);
CREATE INDEX leases_live ON leases (id)
    WHERE state IN ('reserved', 'fetching', 'proving', 'active', 'grace');
-- One agent holds at most one live replica of a bounty.
CREATE UNIQUE INDEX leases_apart ON leases (bounty, agent)
    WHERE state IN ('reserved', 'fetching', 'proving', 'active', 'grace');

-- Agents that a bounty does not get again: they declined it or failed it.
CREATE TABLE bars (
    bounty bigint NOT NULL REFERENCES bounties,
    agent  text NOT NULL,
    PRIMARY KEY (bounty, agent)
);

-- Who may act for a role. The fence grows with every change of hands; a writer whose fence is
-- old is refused.
CREATE TABLE leaders (
    role  text PRIMARY KEY,
    fence bigint NOT NULL
);
