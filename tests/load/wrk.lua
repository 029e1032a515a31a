-- Posts a file's lines in turn, one line a request, and prints the outcome as one line of JSON.
local requests = {}
local at = 0

function init(arguments)
  local headers = { ["Content-Type"] = "application/json", ["Authorization"] = os.getenv("LEADFLOW_BENCH_AUTHORIZATION") }
  for line in io.lines(os.getenv("LEADFLOW_BENCH_BODIES")) do
    requests[#requests + 1] = wrk.format("POST", nil, headers, line)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, all)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
