-- Requests that are to be carried out once however often they are sent (`Idempotency-Key`), and what was answered. Kept for a day.

CREATE TABLE request_once (
    who        TEXT NOT NULL,       -- digest of the account, or of the link
    once_key   TEXT NOT NULL,       -- digest of the key
    request    TEXT NOT NULL,       -- digest of method, address and body
    reach      TEXT NOT NULL,       -- digest of what the asker could see and do then
    claim      TEXT NOT NULL,       -- names the attempt that carries it out
    claimed_at BIGINT NOT NULL,
    effected   BIGINT NOT NULL,     -- 1 in the transaction of the effect
    status     BIGINT,
    head       TEXT,                -- headers of the answer, as JSON
    body       TEXT,
    PRIMARY KEY (who, once_key)
);
CREATE INDEX request_once_by_time ON request_once (claimed_at);
