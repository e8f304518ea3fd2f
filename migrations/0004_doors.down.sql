DROP TABLE nonces, api_keys, answers, events;
