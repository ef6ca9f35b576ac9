-- For wrk: each request has the cookie of the next user.
local cookies, turn = {}, 0
function init(args)
  for cookie in args[1]:gmatch('[^,]+') do cookies[#cookies + 1] = cookie end
end
function request()
  turn = turn % #cookies + 1
  return wrk.format('GET', '/', { Cookie = cookies[turn] })
end
