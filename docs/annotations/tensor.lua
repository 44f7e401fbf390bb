---@meta tensor
-- Written by `make docs`; do not edit it.

--- An array of numbers.
---@class Tensor
local Tensor = {}

--- The elements as nested tables; a number for a tensor without dimensions.
---@return table|number
function Tensor:totable() end

--- The sizes, outermost first.
---@return integer[]
function Tensor:shape() end

--- The element type: "float32", "float64" or "int64".
---@return string
function Tensor:dtype() end

--- The number of elements.
---@return integer
function Tensor:size() end

--- The only element, as a number.
---@return number
function Tensor:item() end

--- The element at some indices.
---@param ... integer one for each dimension, from 1; negative ones count from the end
---@return number
function Tensor:get(...) end

--- Change the element at some indices: `x:set(i, j, value)`.
---@param ... number one index for each dimension, then the value
---@return Tensor self
function Tensor:set(...) end

--- Rows first to last of the first dimension, both included. The memory is shared.
---@param first integer
---@param last integer
---@return Tensor
function Tensor:rows(first, last) end

--- A copy with another element type; to int64 fractions are cut off.
---@param dtype string
---@return Tensor
function Tensor:to(dtype) end

--- The same elements in another shape. The memory is shared.
---@param shape integer[]
---@return Tensor
function Tensor:view(shape) end

--- Overwrite the elements with those of a tensor of the same shape, of any dtype.
---@param source Tensor
---@return Tensor self
function Tensor:copy(source) end

--- Become a view of another tensor's memory, keeping the elements: how a model packs its parameters.
---@param flat Tensor of the same dtype
---@param offset integer in elements, from 0
function Tensor:adopt(flat, offset) end

--- The SHA-256 of dtype, shape and elements, as hex digits.
---@return string
function Tensor:hash() end

local tensor = {}

--- Absolute value of x; gradient 0 at 0.
---@param x any
---@return Tensor
function tensor.abs(x) end

--- |a - b|, element by element.
---@param a any
---@param b any
---@return Tensor
function tensor.absolute_error(a, b) end

--- Sum of a and b.
---@param a any
---@param b any
---@return Tensor
function tensor.add(a, b) end

--- first, first + step, ... up to and including last.
---@param first number
---@param last number
---@param step? number default 1
---@param dtype? string default "float32"
---@return Tensor
function tensor.arange(first, last, step, dtype) end

--- 0-based index of the first largest element along an axis (int64).
---@param x any
---@param options? {axis?: integer}
---@return Tensor
function tensor.argmax(x, options) end

--- Binary cross-entropy of logits a and targets b in [0, 1], element by element.
---@param a any
---@param b any
---@return Tensor
function tensor.bce_with_logits(a, b) end

--- x limited to [min, max].
---@param x any
---@param options? {min?: number, max?: number}
---@return Tensor
function tensor.clip(x, options) end

--- a followed by b along an axis.
---@param a any
---@param b any
---@param options? {axis?: integer}
---@return Tensor
function tensor.concat(a, b, options) end

--- 1 where the largest of logits (n, c) is at the label (n), else 0; (n, 1) logits are right when x > 0 matches.
---@param a any
---@param b any
---@return Tensor
function tensor.correct(a, b) end

--- Cosine of x (radians).
---@param x any
---@return Tensor
function tensor.cos(x) end

--- Quotient a / b.
---@param a any
---@param b any
---@return Tensor
function tensor.div(a, b) end

--- Zeros with probability p, the rest divided by 1 - p; its own gradient. Srivastava et al. 2014.
---@param x any
---@param options? {p?: number, stream?: integer}
---@return Tensor
function tensor.dropout(x, options) end

--- x where positive, else alpha * (exp(x) - 1). Clevert et al. 2016.
---@param x any
---@param options? {alpha?: number}
---@return Tensor
function tensor.elu(x, options) end

--- 1 where a == b, else 0.
---@param a any
---@param b any
---@return Tensor
function tensor.equal(a, b) end

--- Exponential of x.
---@param x any
---@return Tensor
function tensor.exp(x) end

--- x repeated to a shape it broadcasts to.
---@param x any
---@param options? {shape?: integer[]}
---@return Tensor
function tensor.expand(x, options) end

--- A tensor of one value.
---@param shape integer[]
---@param value number
---@param dtype? string default "float32"
---@return Tensor
function tensor.full(shape, value, dtype) end

--- x times the normal distribution function of x, exact form. Hendrycks and Gimpel 2016.
---@param x any
---@return Tensor
function tensor.gelu(x) end

--- 1 where a > b, else 0.
---@param a any
---@param b any
---@return Tensor
function tensor.greater(a, b) end

--- 1 where a >= b, else 0.
---@param a any
---@param b any
---@return Tensor
function tensor.greater_equal(a, b) end

--- max(0, 1 - a b) for targets b of -1 or 1.
---@param a any
---@param b any
---@return Tensor
function tensor.hinge_error(a, b) end

--- (a-b)^2/2 where |a-b| <= delta, else delta (|a-b| - delta/2). Huber 1964.
---@param a any
---@param b any
---@param options? {delta?: number}
---@return Tensor
function tensor.huber_error(a, b, options) end

--- Whether a value is a tensor.
---@param value any
---@return boolean
function tensor.is_tensor(value) end

--- b (log b - a) for log-probabilities a and probabilities b: Kullback-Leibler divergence.
---@param a any
---@param b any
---@return Tensor
function tensor.kl_error(a, b) end

--- x where positive, else slope * x. Maas et al. 2013.
---@param x any
---@param options? {slope?: number}
---@return Tensor
function tensor.leaky_relu(x, options) end

--- 1 where a < b, else 0.
---@param a any
---@param b any
---@return Tensor
function tensor.less(a, b) end

--- 1 where a <= b, else 0.
---@param a any
---@param b any
---@return Tensor
function tensor.less_equal(a, b) end

--- Natural logarithm of x.
---@param x any
---@return Tensor
function tensor.log(x) end

--- log(softmax(x)) along an axis, without overflow.
---@param x any
---@param options? {axis?: integer}
---@return Tensor
function tensor.log_softmax(x, options) end

--- Matrix product of a (..., m, k) and b (k, n) or (..., k, n); either may be read transposed.
---@param a any
---@param b any
---@param options? {trans_a?: boolean, trans_b?: boolean}
---@return Tensor
function tensor.matmul(a, b, options) end

--- Largest element over axes; ties share the gradient.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean}
---@return Tensor
function tensor.max(x, options) end

--- The larger of a and b; ties share the gradient.
---@param a any
---@param b any
---@return Tensor
function tensor.maximum(a, b) end

--- Mean over axes.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean}
---@return Tensor
function tensor.mean(x, options) end

--- Smallest element over axes; ties share the gradient.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean}
---@return Tensor
function tensor.min(x, options) end

--- The smaller of a and b; ties share the gradient.
---@param a any
---@param b any
---@return Tensor
function tensor.minimum(a, b) end

--- Product of a and b.
---@param a any
---@param b any
---@return Tensor
function tensor.mul(a, b) end

--- Negative of x.
---@param x any
---@return Tensor
function tensor.neg(x) end

--- A tensor of given numbers: a number, a nested table, or a copy of a tensor.
---@param values number|table|Tensor nested tables must be rectangular
---@param dtype? string default "float32", or that of the tensor
---@return Tensor
function tensor.new(values, dtype) end

--- p-norm over axes, p >= 1.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean, p?: number}
---@return Tensor
function tensor.norm(x, options) end

--- 1 where a ~= b, else 0.
---@param a any
---@param b any
---@return Tensor
function tensor.not_equal(a, b) end

--- A tensor of ones.
---@param shape integer[]
---@param dtype? string default "float32"
---@return Tensor
function tensor.ones(shape, dtype) end

--- Zeros before and after along an axis.
---@param x any
---@param options? {axis?: integer, before?: integer, after?: integer}
---@return Tensor
function tensor.pad(x, options) end

--- a to the power b.
---@param a any
---@param b any
---@return Tensor
function tensor.pow(a, b) end

--- 1 / x.
---@param x any
---@return Tensor
function tensor.reciprocal(x) end

--- max(x, 0). Nair and Hinton 2010.
---@param x any
---@return Tensor
function tensor.relu(x) end

--- The same elements in another shape; one size may be -1.
---@param x any
---@param options? {shape?: integer[]}
---@return Tensor
function tensor.reshape(x, options) end

--- Self-normalising ELU. Klambauer et al. 2017.
---@param x any
---@return Tensor
function tensor.selu(x) end

--- 1 / (1 + exp(-x)).
---@param x any
---@return Tensor
function tensor.sigmoid(x) end

--- Sign of x: -1, 0 or 1.
---@param x any
---@return Tensor
function tensor.sign(x) end

--- x * sigmoid(x), also called swish. Elfwing et al. 2018.
---@param x any
---@return Tensor
function tensor.silu(x) end

--- Sine of x (radians).
---@param x any
---@return Tensor
function tensor.sin(x) end

--- Elements first to last (1-based, inclusive, negative from the end) along an axis.
---@param x any
---@param options? {axis?: integer, first?: integer, last?: integer}
---@return Tensor
function tensor.slice(x, options) end

--- exp(x) / sum exp(x) along an axis, without overflow.
---@param x any
---@param options? {axis?: integer}
---@return Tensor
function tensor.softmax(x, options) end

--- Cross-entropy (n) of logits (n, c) and 0-based int64 labels (n), optionally with class weights (c).
---@param a any
---@param b any
---@param c? any
---@param options? {label_smoothing?: number}
---@return Tensor
function tensor.softmax_cross_entropy(a, b, c, options) end

--- log(1 + exp(x)), without overflow.
---@param x any
---@return Tensor
function tensor.softplus(x) end

--- Square root of x.
---@param x any
---@return Tensor
function tensor.sqrt(x) end

--- Square of x.
---@param x any
---@return Tensor
function tensor.square(x) end

--- (a - b)^2, element by element.
---@param a any
---@param b any
---@return Tensor
function tensor.squared_error(a, b) end

--- Difference a - b.
---@param a any
---@param b any
---@return Tensor
function tensor.sub(a, b) end

--- Sum over axes.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean}
---@return Tensor
function tensor.sum(x, options) end

--- x summed down to a shape that broadcasts to it: the gradient of expand.
---@param x any
---@param options? {shape?: integer[]}
---@return Tensor
function tensor.sum_to(x, options) end

--- Rows of table a (n, ...) at the 0-based int64 indices b.
---@param a any
---@param b any
---@return Tensor
function tensor.take(a, b) end

--- Hyperbolic tangent of x.
---@param x any
---@return Tensor
function tensor.tanh(x) end

--- Axes in another order; default: reversed.
---@param x any
---@param options? {axes?: integer | integer[]}
---@return Tensor
function tensor.transpose(x, options) end

--- Variance over axes, divided by count - correction.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean, correction?: integer}
---@return Tensor
function tensor.variance(x, options) end

--- b where the condition a is not 0, c elsewhere.
---@param a any
---@param b any
---@param c any
---@return Tensor
function tensor.where(a, b, c) end

--- A tensor of zeros.
---@param shape integer[] e.g. {2, 3}
---@param dtype? string default "float32"
---@return Tensor
function tensor.zeros(shape, dtype) end

return tensor
