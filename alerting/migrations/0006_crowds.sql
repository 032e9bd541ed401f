-- Incidents about many things: what they have in common, and which things.

ALTER TABLE incident ADD COLUMN kin TEXT NOT NULL DEFAULT '';      -- digest of rule or indicator, organisation, kind of thing
CREATE INDEX incident_by_kin ON incident (kin, first_seen);

CREATE TABLE member (
    incident   TEXT NOT NULL REFERENCES incident (id),
    value      TEXT NOT NULL,
    count      BIGINT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen  BIGINT NOT NULL,
    PRIMARY KEY (incident, value)
);
