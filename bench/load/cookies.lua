-- For wrk: the cookies of a file in turn, so many of ten requests writing. Prints one line of JSON at the end.
local reads, writes, writing, turn = {}, {}, 0, 0

function init(args)
  writing = tonumber(args[2])
  for cookie in io.lines(args[1]) do
    local headers = { Cookie = cookie }
    if writing < 10 then reads[#reads + 1] = wrk.format('GET', '/read', headers) end
    if writing > 0 then writes[#writes + 1] = wrk.format('GET', '/write', headers) end
  end
  -- A short run over many sessions would always see the first of them.
  math.randomseed(os.time())
  turn = math.random(math.max(#reads, #writes))
end

function request()
  local count = math.max(#reads, #writes)
  -- In each pass over the cookies others are the ones that write.
  local pass = math.floor(turn / count)
  local kind = (turn + pass) % 10 < writing and writes or reads
  turn = turn + 1
  return kind[(turn - 1) % count + 1]
end

function done(summary, latency)
  local errors = summary.errors
  local bad = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('{"requests":%d,"seconds":%.6f,"bad":%d,"p50":%.4f,"p99":%.4f}\n', summary.requests,
    summary.duration / 1e6, bad, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
