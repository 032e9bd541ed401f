-- What people concluded of what a rule or a feed found; exercises are not in it.

CREATE TABLE conclusion (
    incident TEXT PRIMARY KEY NOT NULL REFERENCES incident (id),
    source   TEXT NOT NULL,                   -- rule, feed
    name     TEXT NOT NULL,                   -- the rule's id, the feed's name
    verdict  TEXT NOT NULL,
    at       BIGINT NOT NULL
);
CREATE INDEX conclusion_by_name ON conclusion (source, name, verdict);
