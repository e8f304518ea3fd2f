ALTER TABLE solvency DROP COLUMN frozen_since;
UPDATE cheques SET state = 'replaced' WHERE state = 'expired';
ALTER TABLE cheques DROP CONSTRAINT cheques_state_check, ADD CONSTRAINT cheques_state_check
    CHECK (state IN ('owed', 'signed', 'submitted', 'included', 'solid', 'replaced', 'reverted'));
DROP TABLE cheque_waits;
