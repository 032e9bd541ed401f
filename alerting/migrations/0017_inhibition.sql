-- What explains another, and what is not told of because of it.

ALTER TABLE incident ADD COLUMN inhibited_by TEXT;
ALTER TABLE incident ADD COLUMN is_source BIGINT NOT NULL DEFAULT 0;    -- whether it explains others, as far as the configuration went
CREATE INDEX incident_by_source ON incident (organization, last_seen DESC, id) WHERE is_source = 1 AND state <> 'closed';
CREATE INDEX incident_kept_back ON incident (id) WHERE inhibited_by IS NOT NULL AND state <> 'closed';
