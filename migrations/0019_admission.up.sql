-- Nobody is paid by a root that may be made up: a lease counts how many audits in a row have shown its root, and
-- how many must have before it is active, and proofs say where the count stood, so that anyone can follow it.
-- A lease that needs none, because its .torrent tells roots or it committed under the release before, has 0.
ALTER TABLE leases ADD COLUMN clean integer NOT NULL DEFAULT 0 CHECK (clean >= 0),
    ADD COLUMN clean_min integer NOT NULL DEFAULT 0 CHECK (clean_min >= 0);
ALTER TABLE proofs ADD COLUMN clean integer NOT NULL DEFAULT 0 CHECK (clean >= 0);
