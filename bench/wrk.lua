-- wrk's end of the benchmarks: `-- FILE` makes it send that file's requests in turns (see load.py); prints one line of
-- JSON, times in microseconds.
local shares = { 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999 }
local heads, turn = {}, 0

function init(args)
  if not args[1] then return end
  for line in io.lines(args[1]) do
    local method, path, body = line:match("^(%S+) (%S+) ?(.*)$")
    local headers = {}
    if body ~= "" then headers["Content-Type"] = "application/json" else body = nil end
    heads[#heads + 1] = wrk.format(method, path, headers, body)
  end
  request = function()
    turn = turn % #heads + 1
    return heads[turn]
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  local quantiles = {}
  for index, share in ipairs(shares) do
    quantiles[index] = string.format("[%g, %d]", share, latency:percentile(share * 100))
  end
  print(string.format(
    'RESULT {"requests": %d, "us": %d, "p50": %d, "p99": %d, "max": %d, "errors": %d, "quantiles": [%s, [1, %d]]}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout, table.concat(quantiles, ", "),
    latency.max))
end
