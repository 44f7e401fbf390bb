std = "lua54"
max_line_length = 120
-- `not (x <= y)` is meant where NaN must count as a failure.
ignore = { "581" }
exclude_files = { "build/" }
-- Values written by other programs.
files["tests/golden"] = { max_line_length = false }
