-- Turns the key of a record into a part of the name of a Redis key: each ':' becomes a space. No part of a record's key has a space. The library's
-- keys in Redis have no ':', because BullMQ joins names by ':', and a job could then name such a key.
local function named(key) return string.find(key, ':', 1, true) and string.gsub(key, ':', ' ') or key end
