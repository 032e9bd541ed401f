-- Whether the responder had a key for mail when it was decided: what is lost meanwhile must not make it leave in clear.

ALTER TABLE notification ADD COLUMN sealed BIGINT NOT NULL DEFAULT 0;
