-- The number of a change that only databases of one node had to make.
SELECT 1;
