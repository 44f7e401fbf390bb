---@meta report
-- Written by `make docs`; do not edit it.

local report = {}

--- Draw which class a model gives to each point of the plane, with the data on top.
---
--- Options: `title`, `file`, `formats`, `steps` points along each axis (160), `threshold` between
--- classes 0 and 1 where the model gives one number (0, as for logits), `margin` around the data (0.1
--- of its extent), `labels` of the two axes (the set's column names, or x1 and x2).
---@param predict function|table a function from a tensor of points (N, 2) to a tensor of labels (N), numbers (N) or (N, 1), or scores (N, C); or an object with such a method `predict`
---@param set table a data set with x (N, 2) and labels y (N)
---@param options? table
---@return {files: string[]}? result nil when a file cannot be written
---@return string? message
function report.boundary(predict, set, options) end

--- Draw a confusion matrix.
---
--- Options: `classes` (names), `title`, `file`, `formats`, `terminal` (a table of the counts).
---@param matrix table|userdata what nn.metrics.confusion_matrix returns, or counts: rows are true classes, columns predicted ones
---@param options? table
---@return {files: string[]}? result nil when a file cannot be written
---@return string? message
function report.confusion(matrix, options) end

--- Draw learning curves: training dashed, validation solid; repeats as a mean with its range.
---
--- Options: `metrics` (names without "val_"; default loss and all others), `title`, `file`,
--- `formats`, `terminal`, `size`, `columns`, `log_y`.
---@param histories table what fit returns; a list of those (with `name`); a table name -> history; or a list of {name=, histories={...}} whose histories are repeats of one setting
---@param options? table
---@return {files: string[], text: string?}? result nil when a file cannot be written
---@return string? message
function report.curves(histories, options) end

--- Draw a plot, to files, to the terminal, or both.
---
--- Options: `title`; `series`, or `panels` for several small plots, `columns` of them in a row; `x`
--- and `y` (`label` with its unit, `min`, `max`, `log`, `integer`, `tics`, `reverse`); `log_x`,
--- `log_y`; `equal` scales; `size` {width, height} of one panel in pixels; `legend` (true);
--- `color_label`; `file` ("results/x" for all formats, "x.png" for one) and `formats` ({"png",
--- "svg"}; also "pdf"); `terminal` (true for characters, "sixel" for graphics); `timeout` (30 s).
---
--- A series has `y` and `x` (lists or tensors; x counts from 1 when absent), `name` for the legend,
--- `low` and `high` for a band, `style` ("line", "points", "linepoints", "steps", "bars"; "image"
--- and "classes" show the rows of `z`), `color` ("#rrggbb" or a number in the palette), `dash`
--- ("solid", "dashed", "dotted", "dashdot"), `width`, `size`, `marker`, `muted` (thin, grey, not
--- allowed to stretch the axes much), and for images `palette` and `labels`. NaN leaves a gap.
---@param spec table
---@return {files: string[], text: string?}? result nil when a file cannot be written
---@return string? message which file and why
function report.plot(spec) end

report.stats = {}

--- Bootstrap confidence interval of any statistic, bias-corrected and accelerated (BCa, Efron 1987).
---@param values number[] at least two
---@param options? {statistic: function?, level: number?, resamples: integer?, seed: integer?, method: string?} statistic default mean, level default 0.95, resamples default 2000, seed default 1, method "bca" (default) or "percentile"
---@return number low NaN for fewer than two values
---@return number high
function report.stats.bootstrap_interval(values, options) end

--- Holm's step-down correction (Holm 1979) of several p-values: compare the results with the level.
---@param p number[]
---@return number[] adjusted in the order given, each at most 1
function report.stats.holm(p) end

--- Mann-Whitney U test, two-sided: does one of two independent groups tend to larger values?
---
--- Exact when #a * #b <= 2500 and no more than 100 values (ties included, by counting all splits of
--- the ranks), else the normal approximation with tie and continuity correction.
---@param a number[]
---@param b number[]
---@return {statistic: number, p: number, method: string} statistic is U of a: pairs with a > b, ties 1/2
function report.stats.mann_whitney(a, b) end

--- Arithmetic mean; NaN of an empty list.
---@param values number[]
---@return number
function report.stats.mean(values) end

--- Median; the mean of the two middle values when their number is even.
---@param values number[]
---@return number
function report.stats.median(values) end

--- Paired t-test, two-sided: do a and b differ on average, pair by pair (one pair per seed)?
---@param a number[]
---@param b number[] as long as a
---@return {statistic: number, p: number, df: integer, mean: number, low: number, high: number, n: integer} mean difference a - b with its 95 % interval; p is NaN for fewer than two pairs
function report.stats.paired_t_test(a, b) end

--- Quantile by linear interpolation between order statistics (R's type 7, numpy's default).
---@param values number[]
---@param p number 0 <= p <= 1
---@return number quantile NaN of an empty list
function report.stats.quantile(values, p) end

--- Ranks from 1, ties sharing the mean of their ranks, and the sum of t^3 - t over groups of ties.
---@param values number[]
---@return number[] ranks
---@return number ties
function report.stats.ranks(values) end

--- Standard error of the mean: std / sqrt(n).
---@param values number[]
---@return number
function report.stats.standard_error(values) end

--- Sample standard deviation (n - 1); NaN for fewer than two values.
---@param values number[]
---@return number
function report.stats.std(values) end

--- Sum of a list, by Neumaier's compensated summation.
---@param values number[]
---@return number
function report.stats.sum(values) end

--- The usual numbers of a list at once.
---@param values number[]
---@return {n: integer, mean: number, std: number, median: number, min: number, max: number}
function report.stats.summary(values) end

--- Confidence interval of the mean, from Student's t distribution.
---@param values number[] at least two
---@param level? number confidence, default 0.95
---@return number low NaN for fewer than two values
---@return number high
function report.stats.t_interval(values, level) end

--- Sample variance with n - 1 in the denominator; NaN for fewer than two values.
---@param values number[]
---@return number
function report.stats.variance(values) end

--- Wilcoxon signed-rank test, two-sided, for pairs: are differences a - b symmetric about zero?
---
--- Zero differences are dropped. Exact up to 50 pairs (ties included), else the normal approximation
--- with tie correction.
---@param a number[]
---@param b number[] as long as a
---@return {statistic: number, p: number, n: integer, method: string} statistic is the smaller rank sum
function report.stats.wilcoxon(a, b) end

--- Report a sweep: a table of its settings, learning curves with a band over seeds, the effect of
--- each parameter, CSV files with all numbers, and an HTML page that needs no other file.
---
--- Options: `dir` ("results"), `name` of the files (the study's), `top` settings in colour (5),
--- `rows` of the printed table (30), `metrics` to draw, `table` (true unless search.sweep has printed
--- it), `terminal`, `html` (both true), `formats` ({"png", "svg"}), `quiet` (false).
---@param study table what search.sweep returns
---@param options? table
---@return {files: string[], table: table}? result nil when a file cannot be written
---@return string? message
function report.sweep(study, options) end

--- A table of records, as aligned text (`tostring`), Markdown, HTML, CSV or JSON.
---@param rows table[] records
---@param columns? (string|table)[] field names, or {key=, title=, align=, decimals=, spread=, format=}; `spread` names the field shown after ±; default: every field, sorted by name
---@return table table with methods text, markdown, html, csv and json
function report.table(rows, columns) end

return report
