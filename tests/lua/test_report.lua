-- Tables, files, plot specifications, and gnuplot: what it is told and what happens when it fails.
local testing = require "testing"
local files = require "report.files"
local gnuplot = require "report.gnuplot"
local plot = require "report.plot"
local render = require "report.render"
local report = require "report"
local text = require "report.text"

local NAN = 0 / 0
local tests = {}

local HOSTILE = {
  "`touch %s`", "'; system('touch %s'); '", "\"; system(\"touch %s\")", "x\n!touch %s\n", "@touch %s",
  "x\r!touch %s", "\\'; !touch %s", "'.`touch %s`.'", "| touch %s", "$(touch %s)", "x\u{2028}!touch %s",
  "100% of %s\\", "{/Symbol a}_b^c &<b>%s", "\xFF\xFE bad %s bytes", "\0 nul %s",
}

tests["text is measured and cut in terminal columns"] = function()
  testing.equal(text.width("0.87 ± 0.01"), 11)
  testing.equal(text.width("漢字"), 4)
  testing.equal(text.width("e\u{301}"), 1)
  testing.equal(text.cut("hidden=64", 6), "hidde…")
  testing.equal(text.cut("ünïcode", 4), "ünï…")
  testing.equal(text.cut("fits", 4), "fits")
  testing.equal(text.pad("±", 3, "right") .. "|", "  ±|")
  testing.equal(text.wrap("one two three", 7), "one two\nthree")
end

tests["clean text is one line of UTF-8"] = function()
  testing.equal(text.clean("a\nb\0c\xFFd"), "a b c?d")
  testing.ok(utf8.len(text.clean("\xED\xA0\x80 \xC3")))
end

tests["numbers keep the digits that mean something"] = function()
  testing.equal(text.with_spread(0.87654, 0.00213, text.decimals({ 0.87654 }, { 0.00213 })), "0.8765 ± 0.0021")
  testing.equal(text.decimals({ 1234 }, { 56 }), 0)
  testing.equal(text.decimals({ 0.5 }, { NAN }), 4)
  testing.equal(text.decimals({}, {}), 4)
  testing.equal(text.with_spread(0.5, NAN, 3), "0.500")
  testing.equal(text.number(NAN), "-")
  testing.equal(text.number(-0.0001, 2), "0.00")
  testing.equal(tonumber(text.exact(0.1)), 0.1)
  testing.equal(text.exact(1 / 3), "0.3333333333333333")
  testing.equal(text.exact(3.0), "3")
  testing.equal(text.value { 128, 64 }, "[128, 64]")
  testing.equal(text.value { name = "sgd", momentum = 0.9 }, "{momentum=0.9 name=sgd}")
end

tests["a table lines up and leaves room where a spread is unknown"] = function()
  local t = report.table({ { name = "a", acc = 0.8, sd = 0.01 }, { name = "bé", acc = 0.75, sd = NAN } },
    { "name", { key = "acc", spread = "sd" } })
  testing.equal(tostring(t), "name            acc\n────  ─────────────\na     0.800 ± 0.010\nbé    0.750\n")
  testing.equal(t:csv(), "name,acc,acc spread\na,0.8,0.01\nbé,0.75,nan\n")
  testing.equal(t:json(), '[{"acc":0.8,"name":"a","sd":0.01},\n {"acc":0.75,"name":"bé","sd":null}]\n')
  testing.contains(t:markdown(), "| a | 0.800 ± 0.010 |")
end

tests["tables escape what their form gives a meaning"] = function()
  local t = report.table { { x = 'a|b,"c"\n<i>' } }
  testing.contains(t:markdown(), "a\\|b,\"c\" &lt;i>")
  testing.contains(t:csv(), '"a|b,""c""\n<i>"')
  testing.contains(t:html(), "<td>a|b,&quot;c&quot; &lt;i&gt;</td>")
  testing.equal(#t:text({ width = 5 }):match("^[^\n]*"), 1)
end

tests["columns are every field, sorted, when none are named"] = function()
  testing.matches(report.table({ { b = 1 }, { a = 2 } }):text(), "^a  b\n")
  testing.raises("row 2 must be a table", report.table, { {}, 5 })
  testing.raises("did you mean 'decimals'", report.table, {}, { { key = "a", decimal = 2 } })
end

tests["JSON keeps integers and escapes controls"] = function()
  testing.equal(files.json { b = { 1, 2.5 }, a = "x\n\1\"", c = true, d = math.huge },
    '{"a":"x\\n\\u0001\\"","b":[1,2.5],"c":true,"d":null}')
end

tests["a gnuplot string means exactly its text"] = function()
  testing.equal(gnuplot.quote("it's `ls`\n!rm"), "'it''s `ls` !rm'")
  testing.equal(gnuplot.quote("''; x"), "\"''\".'; x'")
end

tests["no title, label, name or tic can become a command"] = function()
  testing.need_gnuplot()
  local trap = testing.folder() .. "/trap"
  for _, pattern in ipairs(HOSTILE) do
    local words = pattern:gsub("%%s", trap)
    local spec = {
      title = words, x = { label = words, tics = { words, words .. "2" } }, y = { label = words },
      color_label = words, series = { { name = words, x = { 1, 2 }, y = { 1, 2 } } },
    }
    for _, format in ipairs { "svg", "png" } do
      local bytes, message = render.picture(plot.prepare(spec), format)
      testing.ok(bytes, message)
    end
    testing.ok(render.text(plot.prepare(spec)))
    testing.ok(not testing.exists(trap), "a command ran from " .. ("%q"):format(words))
  end
end

-- What an SVG shows, its entities resolved.
local function shown(svg)
  return (svg:gsub("&quot;", '"'):gsub("&#39;", "'"):gsub("&lt;", "<"):gsub("&gt;", ">"):gsub("&amp;", "&"))
end

tests["SVG shows every text as written"] = function()
  testing.need_gnuplot()
  local signs, state = { "'", "'", "'", '"', "\\", "`", "%", "$", "(", ")", ";", "!", "@", "#", "a", "{", "_", "," }, 7
  for round = 1, 12 do
    local words = ""
    for _ = 1, 9 do
      state = (state * 1103515245 + 12345) % 2147483648
      words = words .. signs[(state >> 12) % #signs + 1]
    end
    words = words .. round
    local svg, message = render.picture(plot.prepare {
      title = words .. "t", x = { label = words .. "x", tics = { words .. "i", "b" } }, y = { label = words .. "y" },
      series = { { name = words .. "n", y = { 1, 2 } } },
    }, "svg")
    testing.ok(svg, message)
    for ending in ("txyin"):gmatch(".") do
      testing.contains(shown(svg), ">" .. words .. ending .. "<")
    end
  end
end

tests["files come out in every format asked for"] = function()
  testing.need_gnuplot()
  local folder = testing.folder()
  local spec = { title = "t", series = { { y = { 1, 3, 2 } } }, file = folder .. "/deep/er/plot" }
  testing.equal(report.plot(spec).files, { folder .. "/deep/er/plot.png", folder .. "/deep/er/plot.svg" })
  testing.matches(testing.read(folder .. "/deep/er/plot.png"), "^\x89PNG")
  testing.matches(testing.read(folder .. "/deep/er/plot.svg"), "</svg>%s*$")
  spec.file = folder .. "/one.svg"
  testing.equal(report.plot(spec).files, { folder .. "/one.svg" })
  spec.file, spec.formats = folder .. "/two", { "pdf" }
  testing.matches(testing.read(report.plot(spec).files[1]), "^%%PDF")
  spec.formats = { "gif" }
  testing.raises('got "gif"', report.plot, spec)
end

tests["a file that cannot be written is named"] = function()
  testing.need_gnuplot()
  local result, message = report.plot { series = { { y = { 1 } } }, file = "/proc/none/plot.svg" }
  testing.equal(result, nil)
  testing.contains(message, "'/proc/none'")
end

tests["NaN, infinities, one point and nothing at all can be drawn"] = function()
  testing.need_gnuplot()
  for _, series in ipairs {
    { {} }, { { y = {} } }, { { y = { NAN } } }, { { y = { NAN, NAN, 1 } } }, { { y = { math.huge, 1, -math.huge } } },
    { { y = { 5 } } }, { { y = { 2, 2 } } }, { { y = { 1e300, -1e300 } } }, { { y = { 1e-300, 2e-300 } } },
    { { style = "bars", y = { 0 } } }, { { style = "points", x = { NAN }, y = { 1 } } },
    { { style = "image", z = { { 1 } } } }, { { style = "image", z = { { NAN, 1 }, { 2, 3 } } } },
    { { style = "classes", z = { { 0, 1 }, { 2, 11 } } } },
    { { y = { 1, 2 }, low = { NAN, 1 }, high = { 3, 3 } } }, {},
  } do
    for _, log in ipairs { false, true } do
      local bytes, message = render.picture(plot.prepare { series = series, log_y = log }, "svg")
      testing.ok(bytes, message)
    end
    testing.ok(render.text(plot.prepare { series = series }))
  end
end

tests["a gap in the data is a gap in the line"] = function()
  local script = gnuplot.picture(plot.prepare { series = { { y = { 1, NAN, NAN, 2, NAN } } } }, "svg")
  testing.contains(script, "EOD\n1 1\n\n4 2\nEOD")
end

tests["one bad curve in the background does not flatten the others"] = function()
  local prepared = plot.prepare { series = { { y = { 1, 2 } }, { y = { 1, 1e9 }, muted = true } } }
  testing.ok(prepared.panels[1].y.high < 4)
end

tests["a logarithmic axis of few decades names 1, 2 and 5"] = function()
  local x = plot.prepare({ log_x = true, series = { { x = { 16, 200 }, y = { 1, 2 } } } }).panels[1].x
  testing.equal(x.tics, { { 20, "20" }, { 50, "50" }, { 100, "100" }, { 200, "200" } })
  x = plot.prepare({ log_x = true, series = { { x = { 1e-5, 1 }, y = { 1, 2 } } } }).panels[1].x
  testing.equal(x.tics, nil)
end

tests["the legend names each series once, the background last"] = function()
  local prepared = plot.prepare { panels = {
    { series = { { name = "others", y = { 1 }, muted = true }, { name = "a", y = { 1 } } } },
    { series = { { name = "a", y = { 1 } }, { name = "b", y = { 1 } }, { y = { 2 } } } },
  } }
  local names = {}
  for i, entry in ipairs(prepared.legend) do
    names[i] = entry.name
  end
  testing.equal(names, { "a", "b", "others" })
end

tests["characters carry a sign for each named series"] = function()
  testing.need_gnuplot()
  local drawn = render.text(plot.prepare { title = "T", y = { label = "loss" }, x = { label = "epoch" },
    series = { { name = "first", y = { 1, 2, 3 } }, { y = { 3, 2, 1 } }, { name = "second", y = { 2, 2, 2 } } } })
  testing.matches(drawn, "^  T: loss\n")
  testing.contains(drawn, "A first   B second")
  testing.ok(select(2, drawn:gsub("B", "")) >= 3)
  for line in drawn:gmatch("[^\n]+") do
    testing.ok(text.width(line) <= 110, line)
  end
end

tests["options that do not exist or do not fit are refused at the script's line"] = function()
  testing.raises("did you mean 'series'", report.plot, { serie = {} })
  testing.raises("either 'series' or 'panels'", report.plot, {})
  testing.raises("series 2: x has 1 values, y has 2", report.plot,
    { series = { { y = { 1 } }, { x = { 1 }, y = { 1, 2 } } } })
  testing.raises("did you mean \"points\"", report.plot, { series = { { y = { 1 }, style = "point" } } })
  testing.raises("y: value 2 must be a number", report.plot, { series = { { y = { 1, "2" } } } })
  testing.raises("row 2 of z has 1 values", report.plot, { series = { { style = "image", z = { { 1, 2 }, { 1 } } } } })
  testing.raises("#rrggbb", report.plot, { series = { { y = { 1 }, color = "red'; !ls" } } })
  local message = testing.raises("panels", function() report.plot { panels = {} } end)
  testing.matches(message, "test_report%.lua:%d+: report%.plot: 'panels' is empty")
end

-- A script drawn by the program under test, with another gnuplot.
local function draw_with(program, options)
  local folder = testing.folder()
  testing.write(folder .. "/draw.lua", ([[
    local report = require "report"
    for i = 1, 2 do
      local result, message = report.plot { title = "t", timeout = %s, terminal = true,
        series = { { name = "s", x = { 1, 2 }, y = { 0.1, 0 / 0 } } }, file = %q .. "/plot" .. i }
      print(result and table.concat(result.files, " ") or message)
    end
    print "the script goes on"]]):format(options and options.timeout or 30, folder))
  local out, err, status = testing.sh(("NNRUN_GNUPLOT=%s {nnrun} %s/draw.lua"):format(testing.quote(program), folder))
  return { out = out, err = err, status = status, folder = folder }
end

local function fake(body)
  local path = testing.folder() .. "/gnuplot"
  testing.write(path, "#!/bin/sh\n" .. body .. "\n")
  assert(os.execute("chmod +x " .. path))
  return path
end

local function check_fallback(run, message)
  testing.equal(run.status, 0)
  testing.contains(run.out, "the script goes on")
  testing.contains(run.err, message)
  testing.equal(select(2, run.err:gsub("\n", "")), 1, "one message, said once: " .. run.err)
  testing.equal(testing.read(run.folder .. "/plot1.csv"), "panel,series,x,y,low,high,z\nt,s,1,0.1,,,\nt,s,2,nan,,,\n")
  testing.ok(not testing.exists(run.folder .. "/plot1.png"))
end

tests["without gnuplot the script goes on, the data is kept, and the package is named once"] = function()
  check_fallback(draw_with "/nowhere/gnuplot", "install the Debian package gnuplot-nox")
end

tests["a gnuplot that fails is reported with its words"] = function()
  check_fallback(draw_with(fake "cat >/dev/null; echo 'no such terminal' >&2; exit 3"),
    "exit status 3, no such terminal")
  check_fallback(draw_with(fake "kill -11 $$"), "signal 11 ended it")
end

tests["an error that gnuplot survives still counts"] = function()
  check_fallback(draw_with(fake "cat >/dev/null; echo picture; echo '         line 4: undefined variable: y' >&2"),
    "failed: undefined variable: y")
end

tests["a picture cut short is not written"] = function()
  local run = draw_with(fake "cat >/dev/null; printf '\\211PNG half'")
  testing.equal(run.status, 0)
  testing.contains(run.err, "incomplete")
  testing.ok(testing.exists(run.folder .. "/plot1.csv") and not testing.exists(run.folder .. "/plot1.png"))
end

tests["a gnuplot that hangs is stopped"] = function()
  check_fallback(draw_with(fake "sleep 60", { timeout = 0.2 }), "did not end within 0.2 s")
end

return testing.run(tests)
