-- Why a cheque is not on the chain yet, and when it is tried again, so that nothing waits without a
-- word and a restart forgets nothing. A release that does not know the table leaves it alone.
CREATE TABLE cheque_waits (
    cheque   bigint PRIMARY KEY REFERENCES cheques,
    reason   text NOT NULL CHECK (reason IN ('small', 'frozen', 'uncovered', 'cap_used_up',
                 'mandate_expired', 'no_trx', 'out_of_energy', 'node_down', 'node_lies', 'refused')),
    detail   text NOT NULL,
    since    timestamptz NOT NULL,
    retry_at timestamptz NOT NULL,
    tries    int NOT NULL DEFAULT 1 CHECK (tries > 0), -- in a row, for this reason
    fee_max  bigint NOT NULL DEFAULT 0 CHECK (fee_max >= 0), -- sun that the next try may burn at least
    over     boolean NOT NULL DEFAULT false -- a transaction was sent since; kept for tries and fee_max
);

-- A cheque whose mandate ended before anybody redeemed it can never be paid.
ALTER TABLE cheques DROP CONSTRAINT cheques_state_check, ADD CONSTRAINT cheques_state_check
    CHECK (state IN ('owed', 'signed', 'submitted', 'included', 'solid', 'replaced', 'reverted',
                     'expired'));

ALTER TABLE solvency ADD frozen_since timestamptz;
