-- A chain that gives up on a transaction burns all of its fee limit, so a higher limit, the cure of
-- too little energy, would only burn more: it is a reason of its own. A release that does not know it
-- shows its text.
ALTER TABLE cheque_waits DROP CONSTRAINT cheque_waits_reason_check,
    ADD CONSTRAINT cheque_waits_reason_check CHECK (reason IN ('small', 'frozen', 'uncovered',
        'cap_used_up', 'mandate_expired', 'no_trx', 'out_of_energy', 'out_of_time', 'node_down',
        'node_lies', 'refused'));
