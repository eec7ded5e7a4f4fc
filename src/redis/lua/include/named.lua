-- Included by the scripts that name keys of records. BullMQ joins all that it is given by ':', so that it can name any key that has one: none of
-- ours does. The parts of a record's key are apart by a space there, which no part has.
local function named(key) return string.find(key, ':', 1, true) and string.gsub(key, ':', ' ') or key end
