--- Distribution functions behind the tests: normal and Student's t, and their quantiles.
--
-- Accurate to about 1e-13 relative: the incomplete beta and gamma functions by series and by
-- continued fractions (modified Lentz; Abramowitz & Stegun 6.5, 26.5), log-gamma by Lanczos.
local M = {}

local EPSILON, TINY, MAX_TERMS = 1e-16, 1e-300, 10000

-- Lanczos' approximation with g = 7 and nine terms.
local LANCZOS = {
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
  -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
  1.5056327351493116e-7,
}

--- Natural logarithm of the gamma function, x > 0.
---@param x number
---@return number
function M.log_gamma(x)
  if x < 0.5 then
    return math.log(math.pi / math.sin(math.pi * x)) - M.log_gamma(1 - x)
  end
  x = x - 1
  local sum = LANCZOS[1]
  for i = 1, 8 do
    sum = sum + LANCZOS[i + 1] / (x + i)
  end
  local t = x + 7.5
  return 0.5 * math.log(2 * math.pi) + (x + 0.5) * math.log(t) - t + math.log(sum)
end

-- A continued fraction b0 + a1/(b1 + a2/(b2 + ...)) by the modified Lentz method; term(i) -> a, b.
local function continued_fraction(b0, term)
  local f = b0 == 0 and TINY or b0
  local c, d = f, 0
  for i = 1, MAX_TERMS do
    local a, b = term(i)
    d = b + a * d
    c = b + a / c
    d = 1 / (d == 0 and TINY or d)
    c = c == 0 and TINY or c
    local delta = c * d
    f = f * delta
    if math.abs(delta - 1) < EPSILON * 4 then
      break
    end
  end
  return f
end

--- Regularised incomplete beta function I_x(a, b), 0 <= x <= 1, a and b > 0.
---@param x number
---@param a number
---@param b number
---@param y number? 1 - x where it is known more exactly
---@return number
function M.beta(x, a, b, y)
  y = y or 1 - x
  if x <= 0 or y <= 0 then
    return x <= 0 and 0 or 1
  end
  if x > (a + 1) / (a + b + 2) then
    return 1 - M.beta(y, b, a, x)
  end
  local front = math.exp(M.log_gamma(a + b) - M.log_gamma(a) - M.log_gamma(b)
    + a * math.log(x) + b * math.log(y))
  local fraction = continued_fraction(1, function(i)
    local m = i // 2
    if i % 2 == 0 then
      return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), 1
    end
    return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), 1
  end)
  return front / (a * fraction)
end

--- Complementary error function.
---@param x number
---@return number
function M.erfc(x)
  if x < 0 then
    return 2 - M.erfc(-x)
  elseif x < 2 then
    local term, sum, n = x, x, 0
    repeat
      n = n + 1
      term = -term * x * x / n
      sum = sum + term / (2 * n + 1)
    until math.abs(term) < EPSILON * math.abs(sum) or term == 0
    return 1 - 2 / math.sqrt(math.pi) * sum
  end
  local fraction = continued_fraction(x, function(i)
    return i / 2, x
  end)
  return math.exp(-x * x) / (math.sqrt(math.pi) * fraction)
end

--- Standard normal distribution function.
---@param z number
---@return number
function M.normal_cdf(z)
  return 0.5 * M.erfc(-z / math.sqrt(2))
end

-- The argument where an increasing function reaches p: widen a bracket, then halve it.
local function invert(cdf, p)
  if p <= 0 or p >= 1 then
    return p <= 0 and -math.huge or math.huge
  end
  local low, high = -1.0, 1.0
  while cdf(low) > p and low > -1e300 do
    low = low * 2
  end
  while cdf(high) < p and high < 1e300 do
    high = high * 2
  end
  for _ = 1, 200 do
    local middle = low + (high - low) / 2
    if middle <= low or middle >= high then
      break
    elseif cdf(middle) < p then
      low = middle
    else
      high = middle
    end
  end
  return low + (high - low) / 2
end

--- Quantile of the standard normal distribution.
---@param p number
---@return number
function M.normal_quantile(p)
  if p > 0.5 then -- the lower tail keeps its digits
    return -invert(M.normal_cdf, 1 - p)
  end
  return invert(M.normal_cdf, p)
end

--- Distribution function of Student's t with `df` degrees of freedom.
---@param t number
---@param df number
---@return number
function M.t_cdf(t, df)
  if t ~= t then
    return t
  elseif t == math.huge or t == -math.huge then
    return t > 0 and 1 or 0
  end
  local square = t * t
  local tail = 0.5 * M.beta(df / (df + square), df / 2, 0.5, square / (df + square))
  return t > 0 and 1 - tail or tail
end

--- Quantile of Student's t with `df` degrees of freedom.
---@param p number
---@param df number
---@return number
function M.t_quantile(p, df)
  local function cdf(t)
    return M.t_cdf(t, df)
  end
  if p > 0.5 then
    return -invert(cdf, 1 - p)
  end
  return invert(cdf, p)
end

return M
