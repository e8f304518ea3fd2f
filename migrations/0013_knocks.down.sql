DROP TABLE knocks;
