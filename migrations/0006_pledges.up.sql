-- Several posters may pay for one bounty, so what is set aside for it is kept by pledge, and what
-- is held back by who paid it: accounts reserved:<bounty>:<poster> and holdback:<lease>:<poster>.
-- Nothing was released with the accounts before (reserved:<bounty>, holdback:<lease>): a
-- development database whose bounties are over goes on, one with live bounties is made anew.
DO $$
BEGIN
    IF EXISTS (SELECT FROM bounties WHERE state NOT IN ('completed', 'cancelled', 'expired')) THEN
        RAISE EXCEPTION 'this development database has live bounties from before pledges: make it anew';
    END IF;
END $$;

CREATE TABLE pledges (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bounty     bigint NOT NULL REFERENCES bounties,
    poster     text NOT NULL,
    mandate    text NOT NULL,
    state      text NOT NULL CHECK (state IN ('pending', 'posted', 'settled', 'voided', 'expired')),
    pledged    numeric(40,0) NOT NULL CHECK (pledged > 0),
    drawn      numeric(40,0) NOT NULL DEFAULT 0 CHECK (drawn >= 0),
    refunded   numeric(40,0) NOT NULL DEFAULT 0 CHECK (refunded >= 0),
    pledged_at timestamptz NOT NULL,
    moved_at   timestamptz NOT NULL,
    FOREIGN KEY (poster, mandate) REFERENCES mandates,
    CHECK (drawn + refunded <= pledged),
    CHECK (state <> 'pending' OR drawn = 0 AND refunded = 0),
    CHECK (state NOT IN ('voided', 'expired') OR refunded = pledged),
    CHECK (state <> 'settled' OR drawn + refunded = pledged)
);
-- Who pledges twice for a bounty raises its pledge.
CREATE UNIQUE INDEX pledges_one ON pledges (bounty, poster) WHERE state IN ('pending', 'posted');
CREATE INDEX pledges_bounty ON pledges (bounty, id);
CREATE INDEX pledges_poster ON pledges (poster, mandate);

INSERT INTO pledges (bounty, poster, mandate, state, pledged, drawn, pledged_at, moved_at)
    SELECT id, poster, mandate, 'settled', spent, spent, posted_at, posted_at FROM bounties
    WHERE spent > 0;

-- The most that a bounty can cost: it opens when so much is pledged.
ALTER TABLE bounties ADD COLUMN worst numeric(40,0) NOT NULL DEFAULT 0 CHECK (worst >= 0);
-- How much of the bounty's money had gone before a proof was paid: who pays how much of it follows.
ALTER TABLE proofs ADD COLUMN drawn_from numeric(40,0) NOT NULL DEFAULT 0 CHECK (drawn_from >= 0);
CREATE INDEX bounties_unfunded ON bounties (good_till) WHERE state = 'unfunded';
