---@meta tensor
-- Written by `make docs`; do not edit it.

--- An array of numbers. Operations and the functions of the module that take a tensor first are methods,
--- too. NAME_, as in `x:add_(y)`, writes the result of the elementwise operation NAME over x.
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
---@param shape integer[] one size may be -1: what is left
---@return Tensor
function Tensor:view(shape) end

--- The memory of the elements as a string, as this machine has it.
---@return string
function Tensor:bytes() end

--- Overwrite the elements with what `bytes` gave, of a tensor of this size and type.
---@param bytes string
---@return Tensor self
function Tensor:set_bytes(bytes) end

--- Overwrite the elements with those of a tensor of the same shape, of any dtype.
---@param source Tensor
---@return Tensor self
function Tensor:copy(source) end

--- Become a view of another tensor's memory, keeping the elements: how a model packs its parameters.
---@param flat Tensor of the same dtype
---@param offset integer in elements, from 0
function Tensor:adopt(flat, offset) end

--- Collect gradients in this tensor from now on: operations on it are remembered, and `y:backward()`
--- goes back over them. The tensor itself must not be written to, except in tensor.no_grad.
---@param wanted? boolean default true; false: no more
---@return Tensor self
function Tensor:requires_grad(wanted) end

--- Whether a gradient will reach this tensor or go through it.
---@return boolean
function Tensor:is_tracked() end

--- The same elements, in the same memory, without a past: no gradient goes through it.
---@return Tensor
function Tensor:detach() end

--- Add d self / d x to `x:grad()` of every x that requires a gradient and that this value was made from.
--- A value of more than one element needs the gradient that arrives.
---@param gradient? Tensor of this tensor's shape; default 1
function Tensor:backward(gradient) end

--- The gradient that backward has added up; nil before the first, and for tensors that require none.
---@return Tensor?
function Tensor:grad() end

--- Forget the gradient.
---@return Tensor self
function Tensor:zero_grad() end

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

--- Mean of windows that share the axes evenly.
---@param x any
---@param options? {output_size?: integer[]}
---@return Tensor
function tensor.adaptive_avg_pool(x, options) end

--- Largest element of windows that share the axes evenly; second, its place in the plane.
---@param x any
---@param options? {output_size?: integer[]}
---@return Tensor
function tensor.adaptive_max_pool(x, options) end

--- Sum of a and b.
---@param a any
---@param b any
---@return Tensor
function tensor.add(a, b) end

--- Whether all elements are not 0: true or false, or with axes a tensor of 1 and 0.
---@param x Tensor
---@param axes? integer|integer[]
---@param keepdims? boolean
---@return boolean|Tensor
function tensor.all(x, axes, keepdims) end

--- Whether two tensors are equal up to rounding: |a - b| <= atol + rtol |b| everywhere.
---@param a Tensor
---@param b Tensor|number
---@param rtol? number default 1e-5
---@param atol? number default 1e-8
---@return boolean
function tensor.allclose(a, b, rtol, atol) end

--- Whether any element is not 0: true or false, or with axes a tensor of 1 and 0.
---@param x Tensor
---@param axes? integer|integer[]
---@param keepdims? boolean
---@return boolean|Tensor
function tensor.any(x, axes, keepdims) end

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

--- 0-based index of the first smallest element along an axis (int64).
---@param x any
---@param options? {axis?: integer}
---@return Tensor
function tensor.argmin(x, options) end

--- The 0-based places that would put x in order along an axis, int64.
---@param x Tensor
---@param axis? integer default -1
---@param descending? boolean
---@return Tensor
function tensor.argsort(x, axis, descending) end

--- softmax(scale q k^T + mask) v of heads side by side in q, k, v (n, length, columns), and statistics of its rows. Then an additive mask, a padding mask (n, keys). Without v, or k and v, these stand beside k, or q, in one. scale 0: 1 / sqrt(size of a head).
---@param a? any
---@param b? any
---@param c? any
---@param d? any
---@param options? {heads?: integer, causal?: boolean, scale?: number, dropout?: number, stream?: integer}
---@return Tensor
function tensor.attention(a, b, c, d, options) end

--- Mean of every window, with padding counted as zeros or left out.
---@param x any
---@param options? {kernel_size?: integer[], stride?: integer[], padding?: integer[], ceil_mode?: boolean, count_include_pad?: boolean}
---@return Tensor
function tensor.avg_pool(x, options) end

--- (n, channels, ...) normalised by channel over the batch, then scaled. Ioffe and Szegedy 2015.
---@param a any
---@param b? any
---@param c? any
---@param options? {eps?: number}
---@return Tensor
function tensor.batch_norm(a, b, c, options) end

--- Binary cross-entropy of logits a and targets b in [0, 1], element by element.
---@param a any
---@param b any
---@return Tensor
function tensor.bce_with_logits(a, b) end

--- How often each of 0, 1, 2 ... occurs.
---@param x Tensor int64, none negative
---@param weights? Tensor what every element counts, instead of 1
---@param minlength? integer at least so many numbers
---@return Tensor int64, or of the type of the weights
function tensor.bincount(x, weights, minlength) end

--- The smallest whole number that is not below x.
---@param x any
---@return Tensor
function tensor.ceil(x) end

--- x where positive, else alpha * (exp(x / alpha) - 1). Barron 2017.
---@param x any
---@param options? {alpha?: number}
---@return Tensor
function tensor.celu(x, options) end

--- The lower triangle L with x = L L^T. Raises when x is not positive definite.
---@param x Tensor (..., n, n), symmetric: only its lower triangle is read
---@return Tensor
function tensor.cholesky(x) end

--- At most `count` pieces of one size (the last may be smaller) along an axis.
---@param x Tensor
---@param count integer
---@param axis? integer default 1
---@return Tensor[]
function tensor.chunk(x, count, axis) end

--- x limited to [min, max].
---@param x any
---@param options? {min?: number, max?: number}
---@return Tensor
function tensor.clip(x, options) end

--- Tensors one after the other along an axis: `concat({a, b, c}, 1)`, or `concat(a, b, 1)`.
---@param list Tensor[]|Tensor
---@param ... any a second tensor when the first argument is one; then the axis, default 1
---@return Tensor
function tensor.concat(list, ...) end

--- Convolution of x (n, c, h, w) or (n, c, l) with weight (o, c / groups, kh, kw), bias (o).
---@param a any
---@param b any
---@param c? any
---@param options? {stride?: integer[], padding?: integer[], dilation?: integer[], groups?: integer}
---@return Tensor
function tensor.conv(a, b, c, options) end

--- Transposed convolution of x (n, c, h, w) with weight (c, o / groups, kh, kw), bias (o).
---@param a any
---@param b any
---@param c? any
---@param options? {stride?: integer[], padding?: integer[], dilation?: integer[], groups?: integer, output_padding?: integer[]}
---@return Tensor
function tensor.conv_transpose(a, b, c, options) end

--- 1 where the largest of logits (n, c) is at the label (n), else 0; (n, 1) logits are right when x > 0 matches.
---@param a any
---@param b any
---@return Tensor
function tensor.correct(a, b) end

--- Cosine of x (radians).
---@param x any
---@return Tensor
function tensor.cos(x) end

--- Products of all elements up to each along an axis; the gradient needs elements that are not 0.
---@param x any
---@param options? {axis?: integer}
---@return Tensor
function tensor.cumprod(x, options) end

--- Sums of all elements up to each along an axis; reverse: from each to the last.
---@param x any
---@param options? {axis?: integer, reverse?: boolean}
---@return Tensor
function tensor.cumsum(x, options) end

--- The determinants of square matrices.
---@param x Tensor (..., n, n)
---@return Tensor (...)
function tensor.det(x) end

--- A square matrix with x on its diagonal or, for a matrix, its diagonal.
---@param x Tensor (n) or (m, n)
---@return Tensor
function tensor.diag(x) end

--- Quotient a / b.
---@param a any
---@param b any
---@return Tensor
function tensor.div(a, b) end

--- The product as NumPy's dot: of two vectors their inner product, of a matrix and a vector one number a
--- row, of matrices the matrix product.
---@param a Tensor
---@param b Tensor
---@return Tensor
function tensor.dot(a, b) end

--- Zeros with probability p, the rest divided by 1 - p; its own gradient. Srivastava et al. 2014.
---@param x any
---@param options? {p?: number, stream?: integer}
---@return Tensor
function tensor.dropout(x, options) end

--- Eigenvalues, ascending, and eigenvectors, the columns of v, of symmetric matrices.
---@param x Tensor (..., n, n): only its lower triangle is read
---@return Tensor w (..., n)
---@return Tensor v (..., n, n)
function tensor.eigh(x) end

--- Sum of products over named axes, of one or two tensors.
---
--- `"ij,jk->ik"` is a matrix product, `"bij,bjk->bik"` a stack of them, `"ij->ji"` a transpose,
--- `"i,j->ij"` an outer product, `"ij->"` a sum. Without `->` the result has the letters that occur
--- once, in order of the alphabet. Letters may not be repeated within one operand.
---@param spec string
---@param a Tensor
---@param b? Tensor
---@return Tensor
function tensor.einsum(spec, a, b) end

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

--- exp(x) - 1, exact for small x.
---@param x any
---@return Tensor
function tensor.expm1(x) end

--- Ones on the main diagonal of a matrix, zeros elsewhere.
---@param rows integer
---@param columns? integer default: as many as rows
---@param dtype? string default "float32"
---@return Tensor
function tensor.eye(rows, columns, dtype) end

--- All elements as one axis.
---@param x Tensor
---@return Tensor
function tensor.flatten(x) end

--- Elements in reverse order along axes.
---@param x any
---@param options? {axes?: integer | integer[]}
---@return Tensor
function tensor.flip(x, options) end

--- The largest whole number that is not above x.
---@param x any
---@return Tensor
function tensor.floor(x) end

--- The quotient a / b rounded down.
---@param a any
---@param b any
---@return Tensor
function tensor.floor_divide(a, b) end

--- A tensor of one value.
---@param shape integer[]
---@param value number
---@param dtype? string default "float32"
---@return Tensor
function tensor.full(shape, value, dtype) end

--- Elements of a at the 0-based int64 places b along an axis; the other axes are the same.
---@param a any
---@param b any
---@param options? {axis?: integer}
---@return Tensor
function tensor.gather(a, b, options) end

--- x plus normal noise of standard deviation std.
---@param x any
---@param options? {std?: number, stream?: integer}
---@return Tensor
function tensor.gaussian_noise(x, options) end

--- x times the normal distribution function of x, exact form. Hendrycks and Gimpel 2016.
---@param x any
---@return Tensor
function tensor.gelu(x) end

--- gelu with the distribution function approximated by a tanh, as in GPT-2.
---@param x any
---@return Tensor
function tensor.gelu_tanh(x) end

--- The function that gives df/dx of a function with one number as its value.
---
--- `tensor.grad(function(x) return (x * x):sum() end)(x)` is 2 x. With several argnums there are as many
--- results. f may hold any Lua code; what it does with its argument is remembered as it runs.
---@param f fun(...): Tensor must return a tensor of one element
---@param argnums? integer|integer[] which arguments, from 1; default 1
---@return fun(...): Tensor
function tensor.grad(f, argnums) end

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

--- (n, channels, ...) normalised over groups of channels of a row, then scaled by channel. Wu and He 2018.
---@param a any
---@param b? any
---@param c? any
---@param options? {groups?: integer, eps?: number}
---@return Tensor
function tensor.group_norm(a, b, c, options) end

--- GRU over x (n, t, f), with w_ih (3h, f), w_hh (3h, h) and optionally b_ih, b_hh (3h), lengths (n), h0 (n, h): outputs (n, t, h), last state (n, 1, h), gates. Cho et al. 2014.
---@param a? any
---@param b? any
---@param c? any
---@param d? any
---@param options? {reverse?: boolean}
---@return Tensor
function tensor.gru(a, b, c, d, options) end

--- x, but 0 where |x| <= lambd.
---@param x any
---@param options? {lambd?: number}
---@return Tensor
function tensor.hardshrink(x, options) end

--- x / 6 + 1/2 limited to [0, 1]. Howard et al. 2019.
---@param x any
---@return Tensor
function tensor.hardsigmoid(x) end

--- x * hardsigmoid(x). Howard et al. 2019.
---@param x any
---@return Tensor
function tensor.hardswish(x) end

--- x limited to [min_val, max_val].
---@param x any
---@param options? {min_val?: number, max_val?: number}
---@return Tensor
function tensor.hardtanh(x, options) end

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

--- The axes after (n, channels) resized to a size or by a factor, by nearest or (bi)linear interpolation.
---@param x any
---@param options? {size?: integer[], scale_factor?: number, linear?: boolean, align_corners?: boolean}
---@return Tensor
function tensor.interpolate(x, options) end

--- The inverse of square matrices. Raises when one is singular.
---@param x Tensor (..., n, n)
---@return Tensor
function tensor.inv(x) end

--- Whether a value is a tensor.
---@param value any
---@return boolean
function tensor.is_tensor(value) end

--- 1 where x is neither infinite nor NaN, else 0.
---@param x any
---@return Tensor
function tensor.isfinite(x) end

--- 1 where x is not a number, else 0.
---@param x any
---@return Tensor
function tensor.isnan(x) end

--- b (log b - a) for log-probabilities a and probabilities b: Kullback-Leibler divergence.
---@param a any
---@param b any
---@return Tensor
function tensor.kl_error(a, b) end

--- (x - mean) / sqrt(variance + eps) over the last dims axes, times a weight, plus a bias. Ba et al. 2016.
---@param a any
---@param b? any
---@param c? any
---@param options? {dims?: integer, eps?: number}
---@return Tensor
function tensor.layer_norm(a, b, c, options) end

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

--- Numbers spread evenly from first to last, both included.
---@param first number
---@param last number
---@param count? integer default 50
---@param dtype? string default "float32"
---@return Tensor
function tensor.linspace(first, last, count, dtype) end

--- x / (k + alpha * mean of x^2 over size channels around)^beta. Krizhevsky et al. 2012.
---@param x any
---@param options? {size?: integer, alpha?: number, beta?: number, k?: number}
---@return Tensor
function tensor.local_response_norm(x, options) end

--- Natural logarithm of x.
---@param x any
---@return Tensor
function tensor.log(x) end

--- log(1 + x), exact for small x.
---@param x any
---@return Tensor
function tensor.log1p(x) end

--- log(softmax(x)) along an axis, without overflow.
---@param x any
---@param options? {axis?: integer}
---@return Tensor
function tensor.log_softmax(x, options) end

--- 1 where neither a nor b is 0, else 0.
---@param a any
---@param b any
---@return Tensor
function tensor.logical_and(a, b) end

--- 1 where x is 0, else 0.
---@param x any
---@return Tensor
function tensor.logical_not(x) end

--- 1 where a or b is not 0, else 0.
---@param a any
---@param b any
---@return Tensor
function tensor.logical_or(a, b) end

--- log(sigmoid(x)), without overflow.
---@param x any
---@return Tensor
function tensor.logsigmoid(x) end

--- LSTM over x (n, t, f), with w_ih (4h, f), w_hh (4h, h) and optionally b_ih, b_hh (4h), lengths (n), h0, c0 (n, h): outputs (n, t, h), last states (n, 2, h), gates i f g o, cells. Hochreiter and Schmidhuber 1997.
---@param a? any
---@param b? any
---@param c? any
---@param d? any
---@param options? {reverse?: boolean}
---@return Tensor
function tensor.lstm(a, b, c, d, options) end

--- Least squares: the x of least norm that makes |a x - b| least.
---@param a Tensor (m, n)
---@param b Tensor (m) or (m, k)
---@param rcond? number singular values below rcond times the largest count as 0; default: the type's precision
---@return Tensor x (n) or (n, k)
---@return integer rank of a
---@return Tensor s its singular values
function tensor.lstsq(a, b, rcond) end

--- Set the seed of rand, randn, randint and randperm, and begin its numbers anew. It is 0 at the start.
---@param seed integer
function tensor.manual_seed(seed) end

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

--- Largest element of every window; second, packed, where it was (the first of equal ones).
---@param x any
---@param options? {kernel_size?: integer[], stride?: integer[], padding?: integer[], dilation?: integer[], ceil_mode?: boolean}
---@return Tensor
function tensor.max_pool(x, options) end

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

--- A grid from the marks on its axes: as many tensors as axes, each with the coordinate along one.
---@param ... Tensor of one axis each
---@return Tensor ...
function tensor.meshgrid(...) end

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

--- x * tanh(softplus(x)). Misra 2019.
---@param x any
---@return Tensor
function tensor.mish(x) end

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

--- Call f(...) without remembering what it does to tensors, and return what it returns. Only here may
--- tensors that require a gradient be written to: `tensor.no_grad(function() w:sub_(w:grad() * lr) end)`.
---@param f fun(...): any
---@return any ...
function tensor.no_grad(f) end

--- The 0-based places of elements that are not 0, one row for each and a column for each axis.
---@param x Tensor
---@return Tensor int64 (n, axes)
function tensor.nonzero(x) end

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

--- A 1 at the place each label names, 0 elsewhere: (..., classes).
---@param labels Tensor int64 from 0
---@param classes? integer default: the largest label and 1
---@param dtype? string default "float32"
---@return Tensor
function tensor.one_hot(labels, classes, dtype) end

--- A tensor of ones.
---@param shape integer[]
---@param dtype? string default "float32"
---@return Tensor
function tensor.ones(shape, dtype) end

--- Every element of a times every element of b, (m, n).
---@param a Tensor
---@param b Tensor
---@return Tensor
function tensor.outer(a, b) end

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

--- a where positive, else b * a, with a learned slope b. He et al. 2015.
---@param a any
---@param b any
---@return Tensor
function tensor.prelu(a, b) end

--- Product over axes; the gradient needs elements that are not 0.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean}
---@return Tensor
function tensor.prod(x, options) end

--- x = q r with orthonormal columns in q and an upper triangle r; k = min(m, n).
---@param x Tensor (..., m, n)
---@return Tensor q (..., m, k)
---@return Tensor r (..., k, n)
function tensor.qr(x) end

--- Random numbers, uniform in [0, 1).
---@param shape integer[]
---@param dtype? string default "float32"
---@return Tensor
function tensor.rand(shape, dtype) end

--- Random whole numbers from low up to, but less than, high.
---@param low integer
---@param high integer
---@param shape integer[]
---@param dtype? string default "int64"
---@return Tensor
function tensor.randint(low, high, shape, dtype) end

--- Random numbers from the standard normal distribution.
---@param shape integer[]
---@param dtype? string default "float32"
---@return Tensor
function tensor.randn(shape, dtype) end

--- 0, 1 ... count - 1 in random order, int64: places to index with.
---@param count integer
---@return Tensor
function tensor.randperm(count) end

--- 1 / x.
---@param x any
---@return Tensor
function tensor.reciprocal(x) end

--- max(x, 0). Nair and Hinton 2010.
---@param x any
---@return Tensor
function tensor.relu(x) end

--- x limited to [0, 6]. Howard et al. 2017.
---@param x any
---@return Tensor
function tensor.relu6(x) end

--- a - b floor(a / b): what is left of a division rounded down, with the sign of b.
---@param a any
---@param b any
---@return Tensor
function tensor.remainder(a, b) end

--- Every element repeated in place: 1, 2 becomes 1, 1, 2, 2. (NumPy's repeat, a word Lua keeps.)
---@param x Tensor
---@param count integer
---@param axis? integer default: of all elements as one axis
---@return Tensor
function tensor.repeat_interleave(x, count, axis) end

--- The same elements in another shape; one size may be -1.
---@param x any
---@param options? {shape?: integer[]}
---@return Tensor
function tensor.reshape(x, options) end

--- x / sqrt(mean of x^2 + eps) over the last dims axes, times a weight. Zhang and Sennrich 2019.
---@param a any
---@param b? any
---@param options? {dims?: integer, eps?: number}
---@return Tensor
function tensor.rms_norm(a, b, options) end

--- Plain recurrent net h = tanh(x w_ih^T + b_ih + h w_hh^T + b_hh), or relu, with operands as lstm's: outputs (n, t, h), last state (n, 1, h). Elman 1990.
---@param a? any
---@param b? any
---@param c? any
---@param d? any
---@param options? {reverse?: boolean, relu?: boolean}
---@return Tensor
function tensor.rnn(a, b, c, d, options) end

--- Elements moved `shift` places on along an axis; those beyond the end come in at the beginning.
---@param x any
---@param options? {shift?: integer, axis?: integer}
---@return Tensor
function tensor.roll(x, options) end

--- The nearest whole number; halves go to the even one.
---@param x any
---@return Tensor
function tensor.round(x) end

--- a with the elements of c added at the 0-based int64 places b along an axis.
---@param a any
---@param b any
---@param c any
---@param options? {axis?: integer}
---@return Tensor
function tensor.scatter_add(a, b, c, options) end

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

--- x moved towards 0 by lambd; 0 near it.
---@param x any
---@param options? {lambd?: number}
---@return Tensor
function tensor.softshrink(x, options) end

--- x / (1 + |x|).
---@param x any
---@return Tensor
function tensor.softsign(x) end

--- The x with a x = b, for square a. Raises when a is singular. This, inv, det and cholesky have gradients.
---@param a Tensor (..., n, n)
---@param b Tensor (..., n) or (..., n, k)
---@return Tensor x of b's shape
function tensor.solve(a, b) end

--- Elements in order along an axis, NaN as the largest, and their 0-based places there (int64); stable.
---@param x any
---@param options? {axis?: integer, descending?: boolean}
---@return Tensor
function tensor.sort(x, options) end

--- The pieces of a tensor along an axis.
---@param x Tensor
---@param sizes integer|integer[] of every piece, or one for all (the last piece may be smaller)
---@param axis? integer default 1
---@return Tensor[]
function tensor.split(x, sizes, axis) end

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

--- Without axes of size 1: all of them, or one.
---@param x Tensor
---@param axis? integer
---@return Tensor
function tensor.squeeze(x, axis) end

--- Tensors of one shape side by side along a new axis.
---@param list Tensor[]
---@param axis? integer where the new axis is to be; default 1
---@return Tensor
function tensor.stack(list, axis) end

--- Standard deviation: the root of the variance, with the variance's options.
---@param x Tensor
---@param ... any axes, keepdims, correction (1)
---@return Tensor
function tensor.std(x, ...) end

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

--- x = u diag(s) vh, singular values s in descending order.
---@param x Tensor (..., m, n)
---@param full? boolean default true: u (m, m) and vh (n, n); false: (m, k) and (k, n), k = min(m, n)
---@return Tensor u
---@return Tensor s (..., k)
---@return Tensor vh
function tensor.svd(x, full) end

--- Rows of table a (n, ...) at the 0-based int64 indices b; row padding_idx gets no gradient.
---@param a any
---@param b any
---@param options? {padding_idx?: integer}
---@return Tensor
function tensor.take(a, b, options) end

--- Tangent of x (radians).
---@param x any
---@return Tensor
function tensor.tan(x) end

--- Hyperbolic tangent of x.
---@param x any
---@return Tensor
function tensor.tanh(x) end

--- x - tanh(x).
---@param x any
---@return Tensor
function tensor.tanhshrink(x) end

--- x where above the threshold, else value.
---@param x any
---@param options? {threshold?: number, value?: number}
---@return Tensor
function tensor.threshold(x, options) end

--- The whole tensor repeated: `tile(x, {2, 3})` twice down and three times across.
---@param x Tensor
---@param counts integer|integer[] for each axis; new axes come in front
---@return Tensor
function tensor.tile(x, counts) end

--- The k largest elements along an axis, largest first, and their 0-based places.
---@param x Tensor
---@param k integer
---@param axis? integer default -1
---@param largest? boolean false: the smallest, smallest first
---@return Tensor values
---@return Tensor places int64
function tensor.topk(x, k, axis, largest) end

--- Axes in another order; default: reversed.
---@param x any
---@param options? {axes?: integer | integer[]}
---@return Tensor
function tensor.transpose(x, options) end

--- Matrices (..., m, n) with 0 above a diagonal: 0 the main one, 1 the one above it.
---@param x any
---@param options? {diagonal?: integer}
---@return Tensor
function tensor.tril(x, options) end

--- Matrices (..., m, n) with 0 below a diagonal: 0 the main one, 1 the one above it.
---@param x any
---@param options? {diagonal?: integer}
---@return Tensor
function tensor.triu(x, options) end

--- The different elements in order, how often each occurs, and which of them (0-based) every element is.
---@param x Tensor
---@return Tensor values
---@return Tensor counts int64
---@return Tensor inverse int64, of x's shape
function tensor.unique(x) end

--- With a new axis of size 1.
---@param x Tensor
---@param axis integer where it is to be; -1: last
---@return Tensor
function tensor.unsqueeze(x, axis) end

--- As grad, but the function gives f(x) and then df/dx.
---@param f fun(...): Tensor must return a tensor of one element
---@param argnums? integer|integer[] which arguments, from 1; default 1
---@return fun(...): Tensor, Tensor
function tensor.value_and_grad(f, argnums) end

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
