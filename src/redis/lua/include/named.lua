-- A record's key as a part of the name of a Redis key: with a space for each ':'. No part of a record's key has a space. No Redis key of ours has a ':',
-- because BullMQ joins by it what a job says, and a job could name such a key.
local function named(key) return string.find(key, ':', 1, true) and string.gsub(key, ':', ' ') or key end
