-- What happens if nobody answers, and what is not told. Times of deadlines are of the steady clock.

ALTER TABLE incident ADD COLUMN silence TEXT;
ALTER TABLE incident ADD COLUMN told_up_to BIGINT;                -- the rung: turns 0 to 255, duty 256, beyond from 257 on
ALTER TABLE incident ADD COLUMN answer_due BIGINT;
ALTER TABLE incident ADD COLUMN reminders BIGINT NOT NULL DEFAULT 0;
CREATE INDEX incident_by_due ON incident (answer_due) WHERE answer_due IS NOT NULL;

CREATE TABLE silence (
    id           TEXT PRIMARY KEY NOT NULL,
    organization TEXT,                        -- what is not named is any
    producer     TEXT,
    entity       TEXT,
    reason       TEXT NOT NULL,
    made_by      TEXT NOT NULL,
    starts_at    BIGINT NOT NULL,
    ends_at      BIGINT NOT NULL
);
CREATE INDEX silence_by_end ON silence (ends_at);

-- One row: the clock that deadlines go by.
CREATE TABLE steady (
    id     BIGINT PRIMARY KEY NOT NULL,
    at     BIGINT NOT NULL,
    wall   BIGINT NOT NULL,
    holder TEXT NOT NULL,
    beat   BIGINT NOT NULL
);
