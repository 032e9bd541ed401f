-- What belongs together leaves as one notice. Times are whole nanoseconds; those of groups are of the clock that deadlines go by.

ALTER TABLE notification ADD COLUMN owner TEXT;                    -- whose the incident was when it was decided; null of what left before
ALTER TABLE notification ADD COLUMN grouped TEXT;                  -- 32 hexadecimal digits: whom and what it waited for others with
ALTER TABLE notification ADD COLUMN held_until BIGINT;             -- not before; null where it waits for nothing
UPDATE notification SET owner = (SELECT incident.owner FROM incident WHERE incident.id = notification.incident)
    WHERE state IN ('pending', 'digested');
CREATE INDEX notification_held ON notification (held_until) WHERE held_until IS NOT NULL;

-- When a group was told of last: what is news of it waits for its turn.
CREATE TABLE notice_group (
    responder TEXT NOT NULL,
    address   TEXT NOT NULL,
    grouped   TEXT NOT NULL,
    left_at   BIGINT NOT NULL,
    PRIMARY KEY (responder, address, grouped)
);
CREATE INDEX notice_group_by_time ON notice_group (left_at);

-- What explains others and became part of another goes on explaining them.
CREATE INDEX incident_by_source_part ON incident (organization, last_seen DESC, id) WHERE is_source = 1 AND merged_into IS NOT NULL;
