-- Incidents, what belongs to them, and how far the bus has been read.
-- Times are whole nanoseconds since 1970, ids are text of 32 hexadecimal digits, lists are JSON.

CREATE TABLE incident (
    id           TEXT PRIMARY KEY NOT NULL,
    dedup        TEXT NOT NULL,               -- digest of rule or indicator, organisation, entity, exercise
    relapse_of   TEXT,
    lead         BLOB NOT NULL,               -- the alert that explains it, in its wire format, with the samples
    organization TEXT NOT NULL,
    owner        TEXT NOT NULL,               -- whose it is after routing: what a responder may see hangs on it
    severity     INTEGER NOT NULL,            -- 1 (informational) to 5 (critical)
    count        INTEGER NOT NULL,
    first_seen   INTEGER NOT NULL,
    last_seen    INTEGER NOT NULL,
    state        TEXT NOT NULL,
    verdict      TEXT,
    priority     TEXT NOT NULL,
    opened_at    INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    route        TEXT NOT NULL,               -- the steps of the explanation
    search       TEXT NOT NULL,               -- lower case, what a search looks in
    change       INTEGER NOT NULL             -- grows with every change of any incident: the stream's resume point
);
CREATE INDEX incident_by_dedup ON incident (dedup, opened_at);
CREATE INDEX incident_by_update ON incident (updated_at DESC, id);
CREATE INDEX incident_by_organization ON incident (organization, updated_at DESC, id);
CREATE UNIQUE INDEX incident_by_change ON incident (change);

-- Every alert that was applied: what makes at least once into once.
CREATE TABLE alert (
    id       TEXT PRIMARY KEY NOT NULL,
    incident TEXT NOT NULL REFERENCES incident (id)
) WITHOUT ROWID;

CREATE TABLE notification (
    id              TEXT PRIMARY KEY NOT NULL,
    incident        TEXT NOT NULL REFERENCES incident (id),
    responder       TEXT NOT NULL,
    responder_name  TEXT NOT NULL,
    channel         TEXT NOT NULL,            -- email, webhook
    address         TEXT NOT NULL,
    language        TEXT NOT NULL,
    reason          TEXT NOT NULL,
    severity        INTEGER NOT NULL,         -- the graver leaves first
    created_at      INTEGER NOT NULL,
    state           TEXT NOT NULL,            -- pending, sent, failed
    attempts        INTEGER NOT NULL,
    next_at         INTEGER NOT NULL,         -- not before
    sent_at         INTEGER,
    receipt         TEXT,
    error           TEXT,
    seen_at         INTEGER,
    acknowledged_at INTEGER,
    verdict         TEXT,
    appended_ms     INTEGER NOT NULL          -- when the alert was put on the bus, milliseconds since 1970
);
CREATE INDEX notification_by_incident ON notification (incident, created_at);
CREATE INDEX notification_pending ON notification (channel, next_at) WHERE state = 'pending';

CREATE TABLE timeline (
    id       INTEGER PRIMARY KEY,
    incident TEXT NOT NULL REFERENCES incident (id),
    at       INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    actor    TEXT NOT NULL,
    text     TEXT NOT NULL
);
CREATE INDEX timeline_by_incident ON timeline (incident, id);

-- Next-to-read positions, written with the effects of what was read.
CREATE TABLE position (
    topic     TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next      INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;

-- Single values: the last canary.
CREATE TABLE mark (
    name  TEXT PRIMARY KEY NOT NULL,
    value INTEGER NOT NULL
) WITHOUT ROWID;
