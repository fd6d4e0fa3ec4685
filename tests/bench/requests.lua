-- requests.lua - makes wrk send the requests in a file, one after the other.
--
--     wrk ... -s requests.lua URL -- FILE
--
-- A line of FILE is one write, with \r and \n as escapes: one request, or several that are pipelined.

function init(args)
  local writes = {}
  for line in io.lines(args[1]) do
    writes[#writes + 1] = line:gsub("\\r", "\r"):gsub("\\n", "\n")
  end
  if #writes == 1 then
    wrk.format = function() return writes[1] end -- called once, so it costs wrk nothing afterwards
    return
  end
  local at = 0
  function request()
    at = at % #writes + 1
    return writes[at]
  end
end
