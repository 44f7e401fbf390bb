---@meta search
-- Written by `make docs`; do not edit it.

---
---@class search.Study
---@field name string
---@field version integer
---@field objective {direction: "max"|"min", metric: string} the first one
---@field objectives {direction: "max"|"min", metric: string}[] all of them
---@field select "last"|"best" which value of a trial ranks it
---@field trials table[] in order of number: number, config, repeat, params, seed, state ("finished", "diverged", "failed"), last, best, best_epoch, value, message, epochs (list of rows of metrics)
---@field configs table[] in order: number, params, label, seeds, trials, n (finished), last {mean, std}, best {mean, std}, status
---@field confirmed? {winner: table, runner_up: table?, test: table?} what the winner and the runner-up did on fresh seeds, each with config, label, n, values, mean, std; and the paired t-test of their difference
---@field exit_status integer 0, or 3 when trials failed
local search_Study = {}

--- The configuration with the best mean over its seeds. One with a diverged or failed trial is taken
--- only when there is no other. `fresh` is what it did on seeds that it was not chosen by (see `confirm`).
---@return {config: integer, params: table, label: string, trials: integer[], n: integer, mean: number, std: number, fresh: {n: integer, mean: number, std: number, values: number[]}?}? best nil when no trial finished
function search_Study:best() end

--- With several objectives: the Pareto front, the configurations no other one is better than in one
--- objective without being worse in another; the best by the first objective first.
---@return {config: integer, params: table, label: string, trials: integer[], n: integer, values: number[]}[] front values are means over seeds, in the order of the objectives
function search_Study:pareto() end

--- How much of the space of objectives the front covers, from a reference point.
---@param reference? number[] a value for each objective that is worse than all of interest; default the worst of all configurations that finished
---@return number volume
---@return number[] reference
function search_Study:hypervolume(reference) end

--- Who has looked at sealed test data (see data.seal), in this run and in earlier ones.
---@return {trials: integer, script: integer, looks: string[]}? counts nil when no data was sealed
function search_Study:looks() end

--- The same in a sentence.
---@return string? nil when no data was sealed
function search_Study:looks_text() end

--- The results as a list of rows, one per configuration, in their order: config, label, params,
--- seeds, n (finished), last and best (means) with last_std and best_std, status.
---@return table[]
function search_Study:table() end

--- The results as text: a line per configuration, the best marked with "*". Of many configurations
--- only the best are listed, best first.
---@return string
function search_Study:text() end

--- The learning curves of one metric: for each configuration the mean and spread over its seeds at
--- every epoch.
---@param metric? string default the objective's
---@return {config: integer, label: string, params: table, epoch: integer[], mean: number[], std: number[], n: integer[]}[]
function search_Study:curves(metric) end

--- What a sweep's `run` is given: one configuration to train, from one seed.
---@class search.Trial
---@field params table<string, any> by name; those of a choice's branch stand beside the others
---@field seed integer of this repeat; the same for all configurations
---@field number integer counts the sweep's trials from 1
---@field config integer counts its configurations from 1
---@field ["repeat"] integer counts the seeds of a configuration from 1
---@field threads integer what the sweep's `threads` says
---@field gradcheck boolean|string what the sweep's `gradcheck` says, for fit
---@field checked table<string, boolean> layers and losses whose gradients this worker has checked
local search_Trial = {}

--- Record metrics of one epoch (or step); fit does it with `trial = trial`, and stops when this returns
--- "stop" (a pruner ended the trial) or "pause" (it goes on later). Loops of one's own should return then,
--- after trial:save in the second case: without it the trial begins anew.
---@param epoch integer counts up; a repeated epoch adds to or replaces what was recorded
---@param metrics table<string, number> values that are not numbers are left out
---@return string? verdict
function search_Trial:report(epoch, metrics) end

--- Note that training diverged: for loops of one's own, whose history nobody returns.
---@param message string where, e.g. "diverged at step 812 in linear_2"
function search_Trial:diverged(message) end

--- In a loop of one's own: keep what is needed to go on after this epoch, should the trial be interrupted.
--- Most calls only remember it; now and then it is sent to be recorded.
---@param text string any bytes
function search_Trial:save(text) end

--- In a loop of one's own: what `save` kept of this trial before it was interrupted, and the last epoch
--- that was reported then.
---@return string? text nil when the trial begins
---@return integer? epoch
function search_Trial:resume() end

local search = {}

--- true or false.
---@return table domain
function search.bool() end

--- One of several values, without an order. `search.choice { "relu", "tanh" }` lists values (strings,
--- numbers, booleans, tables of these); `search.choice { sgd = { momentum = ... }, adam = {} }` names
--- branches that carry parameters of their own: `params.momentum` is there when sgd was chosen, beside
--- `params.optimizer == "sgd"`, and nil otherwise.
---@param values table
---@return table domain
function search.choice(values) end

--- A constant: recorded with every trial, and settable from the command line.
---@param value any string, number, boolean, or a table of these
---@return table domain
function search.fixed(value, where) end

--- A real parameter between `low` and `high`.
---@param low number
---@param high number
---@param given? {log: boolean?, step: number?, n: integer?} `log`: even over magnitudes; `step`: only low + k * step; `n`: points in a grid
---@return table domain
function search.float(low, high, given) end

--- The volume that is dominated, up to a reference point that is worse than all of interest (WFG: While,
--- Bradstreet, Barone, "A fast way of calculating exact hypervolumes", 2012).
---@param points number[][] losses
---@param reference number[] as long as a point
---@return number
function search.hypervolume(points, reference) end

--- A whole-number parameter from `low` to `high`, both included.
---@param low integer
---@param high integer
---@param given? {log: boolean?, step: integer?, n: integer?} as for search.float; step 1
---@return table domain
function search.int(low, high, given) end

--- A list of `min` to `max` entries from one domain; the length is a parameter, too. For layer sizes:
--- `hidden = search.list(search.int(16, 256, { log = true }), { max = 3 })` gives
--- `params.hidden`, e.g. { 128, 32 }.
---@param item table a domain, or a list of values
---@param given {min: integer?, max: integer} entries; min 1, max up to 32
---@return table domain
function search.list(item, given) end

--- A study as the store has it.
---@param file string the store
---@param name? string of the study, or "name@version"; default the newest of the file
---@return search.Study? study nil, and why, when there is none
---@return string? message
function search.load(file, name) end

--- One of several values that have an order, e.g. `search.ordered { 16, 32, 64 }`.
---@param values any[]
---@return table domain
function search.ordered(values) end

--- The numbers of the points no other one dominates, in order.
---@param points number[][]
---@return integer[] front
function search.pareto_front(points) end

search.pruner = {}

--- Successive halving without waiting for a rung to fill: judged against those that came there before. Li et al. 2020.
---@param options? {max_epochs?: integer, min_epochs?: integer, reduction?: integer}
---@return table
function search.pruner.asha(options) end

--- Successive halving in step: a group pauses at a rung, and the best of it go on. Jamieson and Talwalkar 2016.
---@param options? {max_epochs?: integer, min_epochs?: integer, reduction?: integer, size?: integer}
---@return table
function search.pruner.halving(options) end

--- Brackets of successive halving that begin to judge at different epochs; with sampler "tpe" this is BOHB. Li et al. 2018, Falkner et al. 2018.
---@param options? {max_epochs?: integer, min_epochs?: integer, reduction?: integer}
---@return table
function search.pruner.hyperband(options) end

--- Ends a trial whose last values are worse than those of half of the others at that epoch.
---@param options? {interval?: integer, noise?: number, smooth?: integer, startup?: integer, warmup?: integer}
---@return table
function search.pruner.median(options) end

--- Ends a trial that has stopped getting better.
---@param options? {min_delta?: number, patience?: integer}
---@return table
function search.pruner.patience(options) end

--- Ends a trial whose last values are not among the best share of the others at that epoch.
---@param options? {interval?: integer, keep?: number, noise?: number, smooth?: integer, startup?: integer, warmup?: integer}
---@return table
function search.pruner.percentile(options) end

--- Population-based training: the worst end, and copies of the best go on with other parameters. Jaderberg et al. 2017.
---@param options? {epochs?: integer, factor?: number, interval?: integer, mutate?: table, share?: number}
---@return table
function search.pruner.population(options) end

--- Ends a trial whose objective leaves a range; NaN is outside of any.
---@param options? {high?: number, low?: number}
---@return table
function search.pruner.threshold(options) end

--- The space of a table of parameters: name -> domain, list of values (a choice) or constant.
---@param given table<string, any>
---@param where? string for messages
---@return table space
function search.space(given, where) end

--- Train many models side by side, record all of it, and return what came out.
---
--- Every configuration of the space (or `trials` of them) is run on the same `seeds` seeds by worker
--- processes; `run(trial)` (see search.Trial) trains one model from `trial.params` and returns its
--- history (what fit returns), a number, or a table of metrics. With `trial = trial` fit takes seed
--- and threads from the trial and reports every epoch. Results do not depend on the number
--- of workers. The same command again continues where it stopped. A trial that crashes is recorded
--- as failed with its message, and the others go on. On the command line of the script: -j N,
--- --trials N, --seed N, --seeds N, --set space.lr=0.01, --store FILE, --fresh, --help, ...
--- Ends the program with status 130 when interrupted. Errors begin with the script's line.
---@param given table
---@return search.Study study
function search.sweep(given) end

return search
