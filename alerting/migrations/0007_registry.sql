-- What is said of bodies beside the files: what was imported, and what people entered. Each row says only some fields of a body;
-- manual ones lie over imported ones, and these over the files.

CREATE TABLE registry_row (
    layer   TEXT NOT NULL,                    -- import, manual
    number  TEXT NOT NULL,                    -- the organisation number
    version BIGINT NOT NULL,                  -- that of the registry when it was written: its ETag
    form    TEXT NOT NULL,                    -- JSON, as docs/registry.schema.json says
    actor   TEXT NOT NULL,
    at      BIGINT NOT NULL,
    reason  TEXT NOT NULL,
    PRIMARY KEY (layer, number)
);

-- Grows with every change: other instances learn of it here, and whoever changes something locks it first.
CREATE TABLE registry_version (
    id      BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    version BIGINT NOT NULL
);
INSERT INTO registry_version (id, version) VALUES (1, 0);
