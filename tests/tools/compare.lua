-- nnrun beside its peers, and on two threads beside itself on one: every workload in turn, ours and theirs,
-- several rounds; medians and ratios.
--
--   nnrun tests/tools/compare.lua PEERS.py [ROUNDS] [WORKLOAD ...]
--
-- PEERS.py runs `WORKLOAD --peer P --threads N --repeat R` and prints a JSON line with `seconds`; it needs
-- Debian's python3-torch, python3-sklearn and python3-optuna; `-` leaves them out. The ratio is the peer's time
-- by ours, round by round; quote its median on a machine that does nothing else.
local json = require "search.json"

local program = "/proc/" .. io.open("/proc/self/stat"):read("n") .. "/exe"
local peers, rounds = arg[1], math.tointeger(arg[2] or 3)
if not peers or not rounds then
  io.stderr:write("usage: nnrun tests/tools/compare.lua PEERS.py [ROUNDS] [WORKLOAD ...]\n")
  os.exit(2)
end
local wanted = {}
for i = 3, #arg do
  wanted[arg[i]] = true
end

local ALONE = "nnrun, one thread"

local WORK = {
  { "mlp_mnist", 1, { "torch", "torch --variant foreach", "sklearn" } },
  { "mlp_wide", 1, { "torch" } },
  { "mlp_wide", 2, { "torch", ALONE } },
  { "planar", 1, { "torch", "torch-manual" } },
  { "logistic", 1, { "torch-manual" } },
  { "logistic_by_hand", 1, { "numpy" }, "logistic" },
  { "lenet", 1, { "torch", "torch --variant cl", "torch --variant foreach" } },
  { "cifarnet", 1, { "torch", "torch --variant cl" } },
  { "cifarnet", 2, { "torch", "torch --variant cl", ALONE } },
  { "lstm", 1, { "torch", "torch --variant foreach" } },
  { "lstm", 2, { "torch", ALONE } },
  { "gru", 1, { "torch", "torch --variant foreach" } },
  { "transformer", 1, { "torch", "torch --variant foreach" } },
  { "sweep", 2, { "sklearn", "optuna" } },
}

local function seconds(command)
  local pipe = assert(io.popen(command .. " 2>/dev/null"))
  local line
  for text in pipe:lines() do
    line = text:match("^{.*}$") or line
  end
  pipe:close()
  return line and json.decode(line).seconds
end

local function ours_at(name, threads)
  return seconds(("%s tests/bench/%s.lua --threads %d"):format(program, name, threads))
end

local function peer_at(peer, name, threads)
  if peer == ALONE then
    return ours_at(name, 1)
  end
  local command = ("python3 %s %s --peer %s --threads %d --repeat 3"):format(peers, name, peer, threads)
  return peers ~= "-" and seconds(command)
end

local function median(values)
  table.sort(values)
  return values[(#values + 1) // 2]
end

print("| workload | threads | nnrun, s | peer | peer, s | ratio |\n|---|---|---|---|---|---|")
for _, work in ipairs(WORK) do
  local name, threads, against, their_name = work[1], work[2], work[3], work[4] or work[1]
  if not next(wanted) or wanted[name] then
    local ours, theirs, ratios = {}, {}, {}
    for round = 1, rounds do
      ours[round] = ours_at(name, threads)
      for i, peer in ipairs(against) do
        local time = peer_at(peer, peer == ALONE and name or their_name, threads)
        theirs[i], ratios[i] = theirs[i] or {}, ratios[i] or {}
        if time then
          table.insert(theirs[i], time)
          table.insert(ratios[i], time / ours[round])
        end
      end
    end
    for i, peer in ipairs(against) do
      if #ratios[i] > 0 then
        print(("| `%s` | %d | %.3f | %s | %.3f | %.2f |"):format(name, threads, median({ table.unpack(ours) }), peer,
          median(theirs[i]), median(ratios[i])))
      end
    end
  end
end
