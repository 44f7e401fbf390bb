--- What other programs read: a study as TensorBoard event files or as an MLflow folder.
---
--- One run a trial: its metrics by epoch, its parameters, how it ended. Existing files of the same trials
--- are written anew; nothing else in the folder is touched.
local files = require "report.files"
local json = require "search.json"
local options = require "options"
local store = require "core.store"

local M = {}

-- A file name may not hold everything a parameter's name can, and must not lead out of the folder.
local function safe(name)
  name = name:gsub("[^%w_. /-]", "_"):gsub("%.%.", "__"):gsub("^/+", "")
  return name
end

-- ---- TensorBoard: records of protocol buffers ----

-- CRC-32C (Castagnoli 1993), reflected, as TFRecord files check their parts with; then rotated and
-- shifted, as that format says.
local crc_table = {}
for byte = 0, 255 do
  local crc = byte
  for _ = 1, 8 do
    crc = crc & 1 == 1 and (crc >> 1) ~ 0x82F63B78 or crc >> 1
  end
  crc_table[byte] = crc
end

local function masked_crc(text)
  local crc = 0xFFFFFFFF
  for i = 1, #text do
    crc = (crc >> 8) ~ crc_table[(crc ~ text:byte(i)) & 0xFF]
  end
  crc = crc ~ 0xFFFFFFFF
  return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
end

local function record(data)
  local length = ("<I8"):pack(#data)
  return length .. ("<I4"):pack(masked_crc(length)) .. data .. ("<I4"):pack(masked_crc(data))
end

local function varint(number)
  local bytes = {}
  repeat
    local low = number & 0x7F
    number = number >> 7
    bytes[#bytes + 1] = string.char(number ~= 0 and low | 0x80 or low)
  until number == 0
  return table.concat(bytes)
end

-- A field of a message: type 0 varint, 1 double, 2 bytes, 5 float.
local function field(number, kind, value)
  local body = kind == 0 and varint(value) or kind == 1 and ("<d"):pack(value)
    or kind == 5 and ("<f"):pack(value) or varint(#value) .. value
  return varint(number << 3 | kind) .. body
end

local function scalar_event(time, step, tag, value)
  local summary = field(1, 2, field(1, 2, tag) .. field(2, 5, value))
  return record(field(1, 1, time) .. field(2, 0, step) .. field(5, 2, summary))
end

local function text_event(time, tag, text)
  local tensor = field(1, 0, 7) .. field(2, 2, "") .. field(8, 2, text) -- DT_STRING, scalar
  local plugin = field(1, 2, field(1, 2, "text"))
  local summary = field(1, 2, field(1, 2, tag) .. field(8, 2, tensor) .. field(9, 2, plugin))
  return record(field(1, 1, time) .. field(5, 2, summary))
end

local function names_of(row)
  local names = options.keys(row)
  for i = #names, 1, -1 do
    if names[i] == "epoch" then
      table.remove(names, i)
    end
  end
  return names
end

local function tensorboard_trial(study, trial, dir)
  local time = (trial.started or study.created or 0) + 0.0
  local parts = { record(field(1, 1, time) .. field(3, 2, "brain.Event:2")) }
  local words = {}
  for i, name in ipairs(options.keys(trial.params)) do
    words[i] = ("    %s = %s"):format(name, json.encode(trial.params[name]))
  end
  parts[2] = text_event(time, "parameters", table.concat(words, "\n"))
  for _, row in ipairs(trial.epochs) do
    for _, name in ipairs(names_of(row)) do
      parts[#parts + 1] = scalar_event(time, row.epoch, name, row[name])
    end
  end
  -- The name holds no time or host: the same study gives the same files.
  return files.write(("%s/%s/trial-%04d/events.out.tfevents.%d.nnrun"):format(dir, safe(study.name), trial.number,
    math.floor(time)), table.concat(parts))
end

-- ---- MLflow: a folder tree ----

local STATUS = { finished = 3, diverged = 4, failed = 4, running = 1, pruned = 3, paused = 2 }

local function yaml(pairs_of)
  local lines = {}
  for i, pair in ipairs(pairs_of) do
    lines[i] = ("%s: %s"):format(pair[1], type(pair[2]) == "string" and json.encode(pair[2]) or tostring(pair[2]))
  end
  return table.concat(lines, "\n") .. "\n"
end

-- MLflow numbers experiments by 18 digits and names runs by 32 hexadecimal ones; ours follow from the study.
local function experiment_of(study)
  return ("%018d"):format(tonumber(store.sha256(study.name):sub(1, 14), 16) % 10 ^ 15 // 1 | 0)
end

local function mlflow_trial(study, trial, dir, experiment)
  local run = store.sha256(("%s@%d/%d"):format(study.name, study.version, trial.number)):sub(1, 32)
  local folder = ("%s/%s/%s"):format(dir, experiment, run)
  local start = math.floor(((trial.started or study.created or 0) + 0.0) * 1000)
  local finish = start + math.floor((trial.seconds or 0) * 1000)
  local contents = { ["meta.yaml"] = yaml {
    { "artifact_uri", folder .. "/artifacts" }, { "end_time", finish }, { "entry_point_name", "" },
    { "experiment_id", experiment }, { "lifecycle_stage", "active" }, { "run_id", run },
    { "run_name", ("trial %d"):format(trial.number) }, { "run_uuid", run }, { "source_name", study.info.script or "" },
    { "source_type", 4 }, { "source_version", "" }, { "start_time", start }, { "status", STATUS[trial.state] or 4 },
    { "tags", "[]" }, { "user_id", "" },
  } }
  for name, value in pairs(trial.params) do
    contents["params/" .. safe(name)] = type(value) == "string" and value or json.encode(value)
  end
  contents["params/seed"] = tostring(trial.seed)
  for key, value in pairs { ["mlflow.runName"] = ("trial %d"):format(trial.number), state = trial.state,
    message = trial.message, config = trial.config, ["repeat"] = trial["repeat"] } do
    contents["tags/" .. key] = tostring(value)
  end
  local lines = {}
  for _, row in ipairs(trial.epochs) do
    for _, name in ipairs(names_of(row)) do
      lines[name] = lines[name] or {}
      table.insert(lines[name], ("%d %s %d"):format(start, ("%.17g"):format(row[name]), row.epoch))
    end
  end
  for name, list in pairs(lines) do
    contents["metrics/" .. safe(name)] = table.concat(list, "\n") .. "\n"
  end
  for _, name in ipairs(options.keys(contents)) do
    local done, message = files.write(folder .. "/" .. name, contents[name])
    if not done then
      return nil, message
    end
  end
  return true
end

local function mlflow_experiment(study, dir, experiment)
  local at = math.floor((study.created or 0) * 1000)
  return files.write(("%s/%s/meta.yaml"):format(dir, experiment), yaml {
    { "artifact_location", ("%s/%s"):format(dir, experiment) }, { "creation_time", at },
    { "experiment_id", experiment },
    { "last_update_time", at }, { "lifecycle_stage", "active" }, { "name", study.name },
  })
end

--- Write a study as TensorBoard event files: DIR/STUDY/trial-0001/events.out.tfevents...
---@param study search.Study
---@param dir string
---@return boolean? ok nil when a file cannot be written
---@return string? message
function M.tensorboard(study, dir)
  for _, trial in ipairs(study.trials) do
    local done, message = tensorboard_trial(study, trial, dir)
    if not done then
      return nil, message
    end
  end
  return true
end

--- Write a study as an MLflow tracking folder: DIR/EXPERIMENT/RUN/{meta.yaml, params, metrics, tags}. View it
--- with `mlflow ui --backend-store-uri DIR`.
---@param study search.Study
---@param dir string
---@return boolean? ok nil when a file cannot be written
---@return string? message
function M.mlflow(study, dir)
  local experiment = experiment_of(study)
  local done, message = mlflow_experiment(study, dir, experiment)
  for _, trial in ipairs(done and study.trials or {}) do
    done, message = mlflow_trial(study, trial, dir, experiment)
    if not done then
      break
    end
  end
  return done, message
end

return M
