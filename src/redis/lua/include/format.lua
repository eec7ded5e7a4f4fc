-- The positions of bytes in stored values. docs/format.md has the tables, and src/redis/format.ts has the same names for TypeScript. inline.ts puts
-- the values in the place of the names when it assembles a script. If they were local variables of write.lua, the functions that use them would hold
-- them, and a function that holds more variables costs more. Positions count from 1.

-- A packed change: when it is due (1 to DUE_END), when it was first written, its state, the flag of its cached row, its extras, then its fields.
local DUE_END = 13
local SINCE = 14
local SINCE_END = 26
local STATE = 27
local FLAG = 28
local EXTRAS = 29
-- The field '~' of a change that is a hash: state, flag, extras, and when it was first written (to the end).
local META_STATE = 1
local META_FLAG = 2
local META_EXTRAS = 3
local META_SINCE = 4
-- The stored text of null.
local NULL = '\0'
-- The highest number of bytes of a packed change.
local MAX_PACKED = 1024
-- The highest number of characters of two decimal numbers whose sum is exact in a double.
local MAX_DIGITS = 15
