---@meta nn
-- Written by `make docs`; do not edit it.

---
---@class Initializer
---@field name string the engine's name, or "values"
---@field args? number[] arguments in the order of the engine's row
---@field values? any the tensor, with name "values"
local Initializer = {}

---
---@class Optimizer
---@field name string the engine's name, "adam"
---@field title string as written, "Adam"
---@field lr number learning rate before any schedule
---@field hyper number[] all hyper-parameters, in the order of the engine's row
---@field options table the options with defaults filled in
local Optimizer = {}

---
---@class Schedule
---@field name string
---@field per "epoch"|"step" what n counts
---@field options table the options with defaults filled in
---@field adaptive? boolean whether it looks at the epochs in `history`, or may
local Schedule = {}

---
---@class MetricSet
---@field names string[]
local MetricSet = {}

--- Add a batch.
---@param predicted any tensor of scores or numbers
---@param target any tensor of labels or numbers
---@return MetricSet self
function MetricSet:add(predicted, target) end

--- The values over all batches since the last reset.
---@return table<string, number>
function MetricSet:values() end

--- Forget the batches.
---@return MetricSet self
function MetricSet:reset() end

---
---@class ConfusionMatrix
---@field counts integer[][] counts[i][j]: samples of the i-th class predicted to be of the j-th
---@field classes table[] by class: precision, recall, f1, support (number of samples), name
---@field accuracy number
local ConfusionMatrix = {}

---
---@class Layer
---@field kind string "Linear"
---@field name? string how messages and saved weights call it; default kind and number: linear_1
local Layer = {}

--- In a custom layer's forward: a parameter of this layer, made on first use.
---@param name string e.g. "weight"
---@param shape integer[]
---@param initializer? any an initializer, its name or values; default "torch_default"
---@param given? { decay: boolean? } decay (default true): weight decay and penalties apply
---@return userdata value
function Layer:param(name, shape, initializer, given) end

--- Make the parameters, for inputs of a shape or like those of a data set. `fit` does it by itself.
---
--- Starting values depend on the seed and the order in which the layers are first used, alone.
---@param like any a data set, a tensor, or a shape with the batch first: { 1, 784 }
---@param given? { seed: integer?, dtype: string? } seed 0; dtype that of the data, or "float32"
---@return Layer self
function Layer:build(like, given) end

--- The parameters in order of first use: { name, tensor, decay }. Tensors are the model's own.
---@return table[]
function Layer:parameters() end

--- The weights as copies by name: { ["linear_1.weight"] = tensor, ... }.
---@return table<string, userdata>
function Layer:weights() end

--- Set weights by name; all of the model's must be there, with their shapes, and no others.
---@param weights table<string, any> tensors, or tables of numbers
---@return Layer self
function Layer:set_weights(weights) end

--- Write the weights to a `.npz` file, by name.
---@param path string
---@return boolean? ok nil and a message when the file cannot be written
---@return string? message
function Layer:save(path) end

--- Read weights that `save` wrote. The model must have been built.
---@param path string
---@return Layer? self nil and a message when the file cannot be read or holds other weights
---@return string? message
function Layer:load(path) end

--- The model's output for every row.
---@param source any a data set or a tensor (N, ...)
---@return userdata tensor (N, outputs)
function Layer:predict(source) end

--- Loss and metrics on a data set, without dropout and the like.
---@param set table a data set
---@param given? { loss: any?, metrics: string[]?, batch_size: integer? } loss: that of the last fit; metrics { "accuracy" } for class labels; batch_size 500
---@return table { loss, rows, accuracy ... }
function Layer:evaluate(set, given) end

--- Train. Starting values, the order of rows and dropout depend on `seed` alone; the loss of an epoch is
--- the mean over its rows as they were met, penalties included. A loss or gradient that is not finite
--- ends training with history.status "diverged" and a message naming step, layer and line.
---
--- `loss`: by default cross_entropy for class labels (binary_cross_entropy for a single output), mse for
--- numbers. See help(nn.loss), help(nn.schedule), help(nn.metrics).
---@param set table a data set
---@param given? table
---@return History
function Layer:fit(set, given) end

--- The same as a loop of one's own: `for row, history in model:epochs(train, { ... }) do ... end`.
---@param set table a data set
---@param given? table what fit takes
---@return fun(): table?, History?
function Layer:epochs(set, given) end

---
---@class Loss
---@field name string
---@field target "labels"|"column"|"numbers"|"signs" what fit makes of y
---@field options table
---@field apply fun(prediction: userdata, target: userdata, options: table): userdata
local Loss = {}

---
---@class History
---@field epochs table[] one row an epoch: epoch, loss, metrics, val_loss, val_metrics, lr, seconds
---@field status "ok"|"diverged"|"stopped"
---@field message? string why it stopped early
---@field best_epoch? integer
local History = {}

--- The values of one column: history:column("val_accuracy").
---@param name string
---@return number[]
function History:column(name) end

--- Draw the curves: `history:plot { file = "results/curve" }`; see report.curves.
---@param given? table
function History:plot(given) end

---
---@class GradientCheck
---@field ok boolean whether the worst error is below the tolerance
---@field error number |analytic - numeric| / max(1, |analytic|, |numeric|), the worst one
---@field param string which parameter (or "x", the input)
---@field index integer flat index in it, from 1
---@field analytic number
---@field numeric number
local GradientCheck = {}

local nn = {}

--- Steps divided by the root of the sum of all squared gradients so far.
---@param options? {lr?: number, lr_decay?: number, initial_accumulator_value?: number, eps?: number, weight_decay?: number, l1?: number}
---@return Optimizer
function nn.Adagrad(options) end

--- Adaptive moments: running means of the gradient and of its square, corrected for their start.
---@param options? {lr?: number, betas?: number[], eps?: number, weight_decay?: number, l1?: number}
---@return Optimizer
function nn.Adam(options) end

--- Adam with weight decay applied to the weights themselves, not through the gradient.
---@param options? {lr?: number, betas?: number[], eps?: number, weight_decay?: number, l1?: number}
---@return Optimizer
function nn.AdamW(options) end

--- In training, zeros with probability p and the rest divided by 1 - p; else nothing. Srivastava et al. 2014.
---@param p? number
---@param activation? string|function
---@param options? {p?: number, activation?: string | function, name?: string, lr_scale?: number}
---@return Layer
function nn.Dropout(p, activation, options) end

--- x where positive, else alpha * (exp(x) - 1).
---@param alpha? number
---@param activation? string|function
---@param options? {alpha?: number, activation?: string | function, name?: string, lr_scale?: number}
---@return Layer
function nn.ELU(alpha, activation, options) end

--- All axes after the first as one: (n, ...) to (n, m).
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number}
---@return Layer
function nn.Flatten(activation, options) end

--- x times the normal distribution function of x (exact form).
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number}
---@return Layer
function nn.GELU(activation, options) end

--- x where positive, else slope * x.
---@param slope? number
---@param activation? string|function
---@param options? {slope?: number, activation?: string | function, name?: string, lr_scale?: number}
---@return Layer
function nn.LeakyReLU(slope, activation, options) end

--- Fully connected: y = x W^T + b for x (n, in), weight W (out, in), bias b (out).
---@param out integer
---@param bias? boolean
---@param activation? string|function
---@param options? {out?: integer, bias?: boolean, activation?: string | function, name?: string, lr_scale?: number}
---@return Layer
function nn.Linear(out, bias, activation, options) end

--- log(softmax(x)) along an axis.
---@param axis? integer
---@param activation? string|function
---@param options? {axis?: integer, activation?: string | function, name?: string, lr_scale?: number}
---@return Layer
function nn.LogSoftmax(axis, activation, options) end

--- Steps divided by the root of a running mean of squared gradients.
---@param options? {lr?: number, alpha?: number, momentum?: number, centered?: boolean, eps?: number, weight_decay?: number, l1?: number}
---@return Optimizer
function nn.RMSprop(options) end

--- max(x, 0).
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number}
---@return Layer
function nn.ReLU(activation, options) end

--- Self-normalising ELU; start its weights with lecun_normal.
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number}
---@return Layer
function nn.SELU(activation, options) end

--- Stochastic gradient descent, with momentum (also Nesterov's) if asked for.
---@param options? {lr?: number, momentum?: number, dampening?: number, nesterov?: boolean, ema?: boolean, weight_decay?: number, l1?: number}
---@return Optimizer
function nn.SGD(options) end

--- Layers one after the other. A function of values may stand between them.
---@param layers table a list of layers; may have a `name`
---@return Layer
function nn.Sequential(layers) end

--- x * sigmoid(x), also called swish.
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number}
---@return Layer
function nn.SiLU(activation, options) end

--- 1 / (1 + exp(-x)).
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number}
---@return Layer
function nn.Sigmoid(activation, options) end

--- exp(x) / sum exp(x) along an axis.
---@param axis? integer
---@param activation? string|function
---@param options? {axis?: integer, activation?: string | function, name?: string, lr_scale?: number}
---@return Layer
function nn.Softmax(axis, activation, options) end

--- log(1 + exp(x)).
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number}
---@return Layer
function nn.Softplus(activation, options) end

--- Hyperbolic tangent.
---@param activation? string|function
---@param options? {activation?: string | function, name?: string, lr_scale?: number}
---@return Layer
function nn.Tanh(activation, options) end

--- Check the gradients of a model (or layer) in all its parameters and its input.
---
--- With a data set the loss is a real one; with a tensor or a shape, whose input is drawn at random, it
--- is the mean square of the output. Parameters are built anew, or taken over when the model is built.
---@param model Layer
---@param like any data set, tensor, or shape with the batch first: { 3, 5 }
---@param given? { loss: any?, tolerance: number?, per_param: integer?, seed: integer? } tolerance 1e-6, per_param 0 (all elements), seed 0
---@return GradientCheck
function nn.gradcheck(model, like, given) end

nn.init = {}

--- All one value.
---@param options? {value?: any}
---@return Initializer
function nn.init.constant(options) end

--- An initialiser from what a layer's option holds: an initialiser, a name, or given values (a tensor
--- or a table of numbers).
---@param value any
---@param where string what the option belongs to, for messages
---@return Initializer
function nn.init.from(value, where) end

--- Normal, variance 2 / (fan_in + fan_out); for tanh and sigmoid (Glorot, Bengio 2010).
---@param options? {gain?: any}
---@return Initializer
function nn.init.glorot_normal(options) end

--- Uniform, variance 2 / (fan_in + fan_out); for tanh and sigmoid (Glorot, Bengio 2010).
---@param options? {gain?: any}
---@return Initializer
function nn.init.glorot_uniform(options) end

--- Normal, variance 2 / fan_in; for relu (He et al. 2015).
---@param options? {gain?: any}
---@return Initializer
function nn.init.he_normal(options) end

--- Uniform, variance 2 / fan_in; for relu (He et al. 2015).
---@param options? {gain?: any}
---@return Initializer
function nn.init.he_uniform(options) end

--- Ones on the diagonal of a matrix, zeros elsewhere.
---@param options? {gain?: any}
---@return Initializer
function nn.init.identity(options) end

--- Normal, variance 1 / fan_in; for selu and linear layers (LeCun et al. 1998).
---@param options? {gain?: any}
---@return Initializer
function nn.init.lecun_normal(options) end

--- Uniform, variance 1 / fan_in; for selu and linear layers (LeCun et al. 1998).
---@param options? {gain?: any}
---@return Initializer
function nn.init.lecun_uniform(options) end

--- Independent normal numbers.
---@param options? {mean?: any, std?: any}
---@return Initializer
function nn.init.normal(options) end

--- Orthonormal rows or columns, the axes after the first taken as one (Saxe et al. 2014).
---@param options? {gain?: any}
---@return Initializer
function nn.init.orthogonal(options) end

--- Uniform within 1 / sqrt(fan_in), as PyTorch's layers start.
---@return Initializer
function nn.init.torch_default() end

--- Independent uniform numbers.
---@param options? {low?: any, high?: any}
---@return Initializer
function nn.init.uniform(options) end

--- Given values: a tensor, or a `.npy` or `.npz` file.
---@param source any a tensor, a (nested) table of numbers, or a path
---@param name? string which array of the `.npz` file
---@return Initializer
function nn.init.values(source, name) end

--- All zeros.
---@return Initializer
function nn.init.zeros() end

--- A new kind of layer, written in Lua.
---
--- `local Residual = nn.layer("Residual", { init = function(self, size) ... end,
--- forward = function(self, x) ... end })`
--- makes a constructor: `Residual(64)` calls init, and the layer's forward runs when the model is
--- built. Ops, operators and other layers work on x; `self:param(name, shape, initializer)` is a
--- parameter. What forward does is traced once and as fast as a layer of the engine.
---@param kind string its name, e.g. "Residual"
---@param methods { init: function?, forward: function }
---@return fun(...): Layer
function nn.layer(kind, methods) end

nn.loss = {}

--- Binary cross-entropy of logits (N, 1) and labels 0 or 1.
---@return Loss
function nn.loss.binary_cross_entropy() end

--- Cross-entropy of logits (N, C) and labels (N). Options: label_smoothing (0), class_weights (C).
---@param given? { label_smoothing: number?, class_weights: number[]? }
---@return Loss
function nn.loss.cross_entropy(given) end

--- A loss from what fit's option holds: a loss, its name, or a function of prediction and target.
---@param value any
---@return Loss
function nn.loss.from(value) end

--- Hinge loss of scores (N, 1) and labels 0 or 1 (taken as -1 and 1).
---@return Loss
function nn.loss.hinge() end

--- Huber's loss: quadratic up to `delta`, linear beyond (Huber 1964).
---@param given? { delta: number? } delta 1
---@return Loss
function nn.loss.huber(given) end

--- Kullback-Leibler divergence of log-probabilities (N, C) from probabilities (N, C), per sample.
---@return Loss
function nn.loss.kl() end

--- Mean absolute error.
---@return Loss
function nn.loss.mae() end

--- Mean squared error.
---@return Loss
function nn.loss.mse() end

nn.metrics = {}

--- Share of samples whose class is predicted right.
---@param prediction any
---@param target any
---@return number
function nn.metrics.accuracy(prediction, target) end

--- Which way a metric is better, also with a prefix such as "val_". Of names that are not in the table
--- those that end in "loss" or "error" are better when smaller, others when larger.
---@param name string
---@return "max"|"min"
function nn.metrics.better(name) end

--- Count which class is taken for which.
---@param predicted any tensor of scores (N, C), or logits (N, 1)
---@param target any tensor of labels (N), or a data set
---@param given? { threshold: number?, classes: string[]? } threshold 0; names of the classes, default those of the data set
---@return ConfusionMatrix
function nn.metrics.confusion_matrix(predicted, target, given) end

--- Harmonic mean of a class's precision and recall; mean over classes.
---@param prediction any
---@param target any
---@return number
function nn.metrics.f1(prediction, target) end

--- Mean absolute error, in the target's units.
---@param prediction any
---@param target any
---@return number
function nn.metrics.mae(prediction, target) end

--- Mean squared error.
---@param prediction any
---@param target any
---@return number
function nn.metrics.mse(prediction, target) end

--- The names of all metrics, sorted.
---@return string[]
function nn.metrics.names() end

--- Of the samples predicted to be of a class, the share that are; mean over classes.
---@param prediction any
---@param target any
---@return number
function nn.metrics.precision(prediction, target) end

--- Share of the target's variance explained (R squared); mean over outputs.
---@param prediction any
---@param target any
---@return number
function nn.metrics.r2(prediction, target) end

--- Of the samples of a class, the share predicted to be; mean over classes.
---@param prediction any
---@param target any
---@return number
function nn.metrics.recall(prediction, target) end

--- Square root of the mean squared error, in the target's units.
---@param prediction any
---@param target any
---@return number
function nn.metrics.rmse(prediction, target) end

--- Several metrics that are added up batch by batch, as fit and evaluate use them.
---@param names string[] e.g. { "accuracy", "f1" }
---@param given? { threshold: number? } threshold 0
---@return MetricSet
function nn.metrics.set(names, given) end

nn.op = {}

--- Absolute value of x; gradient 0 at 0.
---@param x any
---@return Tensor
function nn.op.abs(x) end

--- |a - b|, element by element.
---@param a any
---@param b any
---@return Tensor
function nn.op.absolute_error(a, b) end

--- Sum of a and b.
---@param a any
---@param b any
---@return Tensor
function nn.op.add(a, b) end

--- 0-based index of the first largest element along an axis (int64).
---@param x any
---@param options? {axis?: integer}
---@return Tensor
function nn.op.argmax(x, options) end

--- Binary cross-entropy of logits a and targets b in [0, 1], element by element.
---@param a any
---@param b any
---@return Tensor
function nn.op.bce_with_logits(a, b) end

--- x limited to [min, max].
---@param x any
---@param options? {min?: number, max?: number}
---@return Tensor
function nn.op.clip(x, options) end

--- a followed by b along an axis.
---@param a any
---@param b any
---@param options? {axis?: integer}
---@return Tensor
function nn.op.concat(a, b, options) end

--- 1 where the largest of logits (n, c) is at the label (n), else 0; (n, 1) logits are right when x > 0 matches.
---@param a any
---@param b any
---@return Tensor
function nn.op.correct(a, b) end

--- Cosine of x (radians).
---@param x any
---@return Tensor
function nn.op.cos(x) end

--- Quotient a / b.
---@param a any
---@param b any
---@return Tensor
function nn.op.div(a, b) end

--- Zeros with probability p, the rest divided by 1 - p; its own gradient. Srivastava et al. 2014.
---@param x any
---@param options? {p?: number, stream?: integer}
---@return Tensor
function nn.op.dropout(x, options) end

--- x where positive, else alpha * (exp(x) - 1). Clevert et al. 2016.
---@param x any
---@param options? {alpha?: number}
---@return Tensor
function nn.op.elu(x, options) end

--- 1 where a == b, else 0.
---@param a any
---@param b any
---@return Tensor
function nn.op.equal(a, b) end

--- Exponential of x.
---@param x any
---@return Tensor
function nn.op.exp(x) end

--- x repeated to a shape it broadcasts to.
---@param x any
---@param options? {shape?: integer[]}
---@return Tensor
function nn.op.expand(x, options) end

--- x times the normal distribution function of x, exact form. Hendrycks and Gimpel 2016.
---@param x any
---@return Tensor
function nn.op.gelu(x) end

--- 1 where a > b, else 0.
---@param a any
---@param b any
---@return Tensor
function nn.op.greater(a, b) end

--- 1 where a >= b, else 0.
---@param a any
---@param b any
---@return Tensor
function nn.op.greater_equal(a, b) end

--- max(0, 1 - a b) for targets b of -1 or 1.
---@param a any
---@param b any
---@return Tensor
function nn.op.hinge_error(a, b) end

--- (a-b)^2/2 where |a-b| <= delta, else delta (|a-b| - delta/2). Huber 1964.
---@param a any
---@param b any
---@param options? {delta?: number}
---@return Tensor
function nn.op.huber_error(a, b, options) end

--- b (log b - a) for log-probabilities a and probabilities b: Kullback-Leibler divergence.
---@param a any
---@param b any
---@return Tensor
function nn.op.kl_error(a, b) end

--- x where positive, else slope * x. Maas et al. 2013.
---@param x any
---@param options? {slope?: number}
---@return Tensor
function nn.op.leaky_relu(x, options) end

--- 1 where a < b, else 0.
---@param a any
---@param b any
---@return Tensor
function nn.op.less(a, b) end

--- 1 where a <= b, else 0.
---@param a any
---@param b any
---@return Tensor
function nn.op.less_equal(a, b) end

--- Natural logarithm of x.
---@param x any
---@return Tensor
function nn.op.log(x) end

--- log(softmax(x)) along an axis, without overflow.
---@param x any
---@param options? {axis?: integer}
---@return Tensor
function nn.op.log_softmax(x, options) end

--- Matrix product of a (..., m, k) and b (k, n) or (..., k, n); either may be read transposed.
---@param a any
---@param b any
---@param options? {trans_a?: boolean, trans_b?: boolean}
---@return Tensor
function nn.op.matmul(a, b, options) end

--- Largest element over axes; ties share the gradient.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean}
---@return Tensor
function nn.op.max(x, options) end

--- The larger of a and b; ties share the gradient.
---@param a any
---@param b any
---@return Tensor
function nn.op.maximum(a, b) end

--- Mean over axes.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean}
---@return Tensor
function nn.op.mean(x, options) end

--- Smallest element over axes; ties share the gradient.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean}
---@return Tensor
function nn.op.min(x, options) end

--- The smaller of a and b; ties share the gradient.
---@param a any
---@param b any
---@return Tensor
function nn.op.minimum(a, b) end

--- Product of a and b.
---@param a any
---@param b any
---@return Tensor
function nn.op.mul(a, b) end

--- Negative of x.
---@param x any
---@return Tensor
function nn.op.neg(x) end

--- p-norm over axes, p >= 1.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean, p?: number}
---@return Tensor
function nn.op.norm(x, options) end

--- 1 where a ~= b, else 0.
---@param a any
---@param b any
---@return Tensor
function nn.op.not_equal(a, b) end

--- Zeros before and after along an axis.
---@param x any
---@param options? {axis?: integer, before?: integer, after?: integer}
---@return Tensor
function nn.op.pad(x, options) end

--- a to the power b.
---@param a any
---@param b any
---@return Tensor
function nn.op.pow(a, b) end

--- 1 / x.
---@param x any
---@return Tensor
function nn.op.reciprocal(x) end

--- max(x, 0). Nair and Hinton 2010.
---@param x any
---@return Tensor
function nn.op.relu(x) end

--- The same elements in another shape; one size may be -1.
---@param x any
---@param options? {shape?: integer[]}
---@return Tensor
function nn.op.reshape(x, options) end

--- Self-normalising ELU. Klambauer et al. 2017.
---@param x any
---@return Tensor
function nn.op.selu(x) end

--- 1 / (1 + exp(-x)).
---@param x any
---@return Tensor
function nn.op.sigmoid(x) end

--- Sign of x: -1, 0 or 1.
---@param x any
---@return Tensor
function nn.op.sign(x) end

--- x * sigmoid(x), also called swish. Elfwing et al. 2018.
---@param x any
---@return Tensor
function nn.op.silu(x) end

--- Sine of x (radians).
---@param x any
---@return Tensor
function nn.op.sin(x) end

--- Elements first to last (1-based, inclusive, negative from the end) along an axis.
---@param x any
---@param options? {axis?: integer, first?: integer, last?: integer}
---@return Tensor
function nn.op.slice(x, options) end

--- exp(x) / sum exp(x) along an axis, without overflow.
---@param x any
---@param options? {axis?: integer}
---@return Tensor
function nn.op.softmax(x, options) end

--- Cross-entropy (n) of logits (n, c) and 0-based int64 labels (n), optionally with class weights (c).
---@param a any
---@param b any
---@param c? any
---@param options? {label_smoothing?: number}
---@return Tensor
function nn.op.softmax_cross_entropy(a, b, c, options) end

--- log(1 + exp(x)), without overflow.
---@param x any
---@return Tensor
function nn.op.softplus(x) end

--- Square root of x.
---@param x any
---@return Tensor
function nn.op.sqrt(x) end

--- Square of x.
---@param x any
---@return Tensor
function nn.op.square(x) end

--- (a - b)^2, element by element.
---@param a any
---@param b any
---@return Tensor
function nn.op.squared_error(a, b) end

--- Difference a - b.
---@param a any
---@param b any
---@return Tensor
function nn.op.sub(a, b) end

--- Sum over axes.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean}
---@return Tensor
function nn.op.sum(x, options) end

--- x summed down to a shape that broadcasts to it: the gradient of expand.
---@param x any
---@param options? {shape?: integer[]}
---@return Tensor
function nn.op.sum_to(x, options) end

--- Rows of table a (n, ...) at the 0-based int64 indices b.
---@param a any
---@param b any
---@return Tensor
function nn.op.take(a, b) end

--- Hyperbolic tangent of x.
---@param x any
---@return Tensor
function nn.op.tanh(x) end

--- Axes in another order; default: reversed.
---@param x any
---@param options? {axes?: integer | integer[]}
---@return Tensor
function nn.op.transpose(x, options) end

--- Variance over axes, divided by count - correction.
---@param x any
---@param options? {axes?: integer | integer[], keepdims?: boolean, correction?: integer}
---@return Tensor
function nn.op.variance(x, options) end

--- b where the condition a is not 0, c elsewhere.
---@param a any
---@param b any
---@param c any
---@return Tensor
function nn.op.where(a, b, c) end

--- An optimiser by name, for sweeps: `nn.optimizer(p.optimizer, { lr = p.lr })`.
---@param name string|Optimizer "adam" or "Adam"; an optimiser is returned as it is
---@param given? table its options
---@return Optimizer
function nn.optimizer(name, given) end

nn.schedule = {}

--- The optimiser's learning rate throughout.
---@param given? { per: string? }
---@return Schedule
function nn.schedule.constant(given) end

--- Half a cosine from the base rate down to `min` over `total` epochs, then `min` (Loshchilov, Hutter
--- 2017). PyTorch's CosineAnnealingLR, which rises again after `total`.
---@param given? { total: integer?, min: number?, per: string? } total: the whole training; min 0
---@return Schedule
function nn.schedule.cosine(given) end

--- Multiplied by `gamma` every epoch (PyTorch's ExponentialLR).
---@param given { gamma: number, per: string? }
---@return Schedule
function nn.schedule.exponential(given) end

--- A schedule from what fit's option holds: a schedule, a function (n, base_lr, history) -> lr, or the
--- name of one that needs no options ("cosine").
---@param value Schedule|function|string|nil nil: constant
---@return Schedule
function nn.schedule.from(value) end

--- Divided by 1 + decay * k, where k counts the epochs done, or every `every`-th of them. (PyTorch has
--- none of this form.)
---@param given { decay: number, every: integer?, per: string? } every 1
---@return Schedule
function nn.schedule.inverse_time(given) end

--- Multiplied by `gamma` after each of the epochs in `at` (PyTorch's MultiStepLR).
---@param given { at: integer[], gamma: number?, per: string? } gamma 0.1
---@return Schedule
function nn.schedule.milestones(given) end

--- Multiplied by `factor` whenever a metric has not become better for more than `patience` epochs
--- (PyTorch's ReduceLROnPlateau, threshold relative; for a negative metric, too, better means better:
--- PyTorch's threshold there points the wrong way).
---@param given? table metric: string (val_loss, or loss without validation); mode: "min" or "max" (the metric's own); factor: number (0.1); patience: epochs (10); threshold: number (1e-4); cooldown: epochs (0); min: number (0)
---@return Schedule
function nn.schedule.plateau(given) end

--- Multiplied by `gamma` every `every` epochs (PyTorch's StepLR).
---@param given { every: integer, gamma: number?, per: string? } gamma 0.1
---@return Schedule
function nn.schedule.step(given) end

--- The learning rates of `length` epochs (or steps) from `first` on.
---@param schedule Schedule
---@param first integer from 1
---@param length integer
---@param base_lr number
---@param history? table
---@return number[]
function nn.schedule.values(schedule, first, length, base_lr, history) end

--- A straight line from `start` times the base rate up to the whole of it over `total` epochs, then
--- the schedule `next` from its beginning. (PyTorch's LinearLR and SequentialLR.)
---@param given { total: integer, start: number?, next: Schedule|function?, per: string? } start 1/3; next constant; per that of `next`
---@return Schedule
function nn.schedule.warmup(given) end

return nn
