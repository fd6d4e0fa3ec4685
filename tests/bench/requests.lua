-- requests.lua - makes wrk send the requests that a file holds, one after the other.
--
--     wrk ... -s requests.lua URL -- FILE
--
-- A line of FILE holds one write, with \r and \n spelled out: one request, or several that are
-- pipelined.

function init(args)
  local writes = {}
  for line in io.lines(args[1]) do
    writes[#writes + 1] = line:gsub("\\r", "\r"):gsub("\\n", "\n")
  end
  if #writes == 1 then
    wrk.format = function() return writes[1] end -- asked once: this costs wrk nothing afterwards
    return
  end
  local at = 0
  function request()
    at = at % #writes + 1
    return writes[at]
  end
end
