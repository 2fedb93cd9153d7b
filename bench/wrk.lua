-- wrk's end of the benchmarks: `-- BODY_FILE` makes it POST that file; prints one line of JSON, times in microseconds.
function init(args)
  if args[1] then
    local file = io.open(args[1], "rb")
    wrk.method = "POST"
    wrk.body = file:read("*a")
    wrk.headers["Content-Type"] = "application/json"
    file:close()
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  print(string.format(
    'RESULT {"requests": %d, "us": %d, "p50": %d, "p99": %d, "max": %d, "errors": %d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
