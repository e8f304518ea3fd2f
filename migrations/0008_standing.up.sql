-- Standing follows from scores: what was counted of an agent, and what it is told of it. Until the
-- next audit both are absent. The columns passed and faults are kept for the release before.
ALTER TABLE offers ADD COLUMN record jsonb, ADD COLUMN outlook jsonb;
