-- Who works on an incident, incidents that are parts of others, what may be taken back, and which authority must be told by when.

ALTER TABLE incident ADD COLUMN assignee TEXT;                     -- the id of an account
ALTER TABLE incident ADD COLUMN merged_into TEXT;                  -- the incident that it is part of; never one that is part itself
ALTER TABLE incident ADD COLUMN work TEXT;                         -- JSON: the assignee's name; what it is without its parts
CREATE INDEX incident_by_merge ON incident (merged_into) WHERE merged_into IS NOT NULL;

-- Of each alert what a split asks for; null of those that an older version took in. Its incident is the one of its key, also where that is
-- part of another.
ALTER TABLE alert ADD COLUMN entity TEXT;
ALTER TABLE alert ADD COLUMN event TEXT;                           -- its first sample
ALTER TABLE alert ADD COLUMN severity BIGINT;
ALTER TABLE alert ADD COLUMN first_at BIGINT;
ALTER TABLE alert ADD COLUMN last_at BIGINT;
CREATE INDEX alert_by_incident ON alert (incident);

-- What a person did with an incident last, and how it was before.
CREATE TABLE undo (
    incident TEXT PRIMARY KEY NOT NULL REFERENCES incident (id),
    actor    TEXT NOT NULL,                   -- as in the audit log
    what     TEXT NOT NULL,
    at       BIGINT NOT NULL,
    before   TEXT NOT NULL                    -- JSON
);

-- Under which rules an authority must be told of an incident.
CREATE TABLE declaration (
    incident     TEXT NOT NULL REFERENCES incident (id),
    regime       TEXT NOT NULL,
    aware_at     BIGINT NOT NULL,
    declared_at  BIGINT NOT NULL,
    declared_by  TEXT NOT NULL,
    withdrawn_at BIGINT,
    PRIMARY KEY (incident, regime)
);

-- The notices of a declaration.
CREATE TABLE statutory (
    incident  TEXT NOT NULL REFERENCES incident (id),
    regime    TEXT NOT NULL,
    stage     TEXT NOT NULL,
    due_at    BIGINT NOT NULL,                -- by the clock on the wall: it is legal time
    warned    TEXT,                           -- the last warning that was given
    next_at   BIGINT,                         -- when the next is given; null if none is
    sent_at   BIGINT,
    sent_by   TEXT,
    reference TEXT,                           -- the authority's
    document  TEXT,                           -- as it was sent
    PRIMARY KEY (incident, regime, stage)
);
CREATE INDEX statutory_by_next ON statutory (next_at) WHERE next_at IS NOT NULL;

-- What a person wrote of an incident, once for all its notices.
CREATE TABLE report_entry (
    incident TEXT PRIMARY KEY NOT NULL REFERENCES incident (id),
    version  BIGINT NOT NULL,
    fields   TEXT NOT NULL,                   -- JSON
    by_whom  TEXT NOT NULL,
    at       BIGINT NOT NULL
);
