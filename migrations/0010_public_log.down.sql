DROP TABLE commitments, promises;
