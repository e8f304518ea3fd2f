UPDATE cheque_waits SET reason = 'out_of_energy' WHERE reason = 'out_of_time';
ALTER TABLE cheque_waits DROP CONSTRAINT cheque_waits_reason_check,
    ADD CONSTRAINT cheque_waits_reason_check CHECK (reason IN ('small', 'frozen', 'uncovered',
        'cap_used_up', 'mandate_expired', 'no_trx', 'out_of_energy', 'node_down', 'node_lies',
        'refused'));
