-- Lists and searches over a million incidents: what is asked is walked in an index, what is counted is counted when it is written.

-- 1, 2, 3, … in the order in which incidents were opened: the order of what a search finds.
ALTER TABLE incident ADD COLUMN number BIGINT NOT NULL DEFAULT 0;
UPDATE incident SET number = ordered.number
    FROM (SELECT id, row_number() OVER (ORDER BY opened_at, id) AS number FROM incident) AS ordered
    WHERE incident.id = ordered.id;
CREATE UNIQUE INDEX incident_by_number ON incident (number);

-- One walk for each pair of state and severity, for each owner, and for each owner's pairs.
DROP INDEX incident_by_organization;
CREATE INDEX incident_by_standing ON incident (state, severity, updated_at DESC, id);
CREATE INDEX incident_by_owner ON incident (owner, updated_at DESC, id);
CREATE INDEX incident_by_owner_standing ON incident (owner, state, severity, updated_at DESC, id);

-- How many there are of each, kept with each change.
CREATE TABLE incident_tally (
    owner    TEXT NOT NULL,
    state    TEXT NOT NULL,
    severity BIGINT NOT NULL,
    count    BIGINT NOT NULL,
    PRIMARY KEY (owner, state, severity)
);
INSERT INTO incident_tally (owner, state, severity, count)
    SELECT owner, state, severity, count(*) FROM incident GROUP BY owner, state, severity;

-- What a search looks up first. A chunk is 4,096 incidents with following numbers; it is written when it is full, and kept in step
-- afterwards (src/store/search says how).
CREATE TABLE search_gram (
    gram    BIGINT NOT NULL,                  -- three characters, 21 bits each
    chunk   BIGINT NOT NULL,
    members BYTEA NOT NULL,                   -- which of the chunk have them: a list, or a bit for each
    PRIMARY KEY (gram, chunk)
);
CREATE TABLE search_chunk (
    chunk   BIGINT PRIMARY KEY NOT NULL,
    facets  BYTEA NOT NULL                    -- owner, severity and state of each, five bytes
);
