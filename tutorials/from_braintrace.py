# %% [markdown] lang="en"
# # From braintrace
#
# Two whole programs of braintrace 0.2.6, and what becomes of them here. What each name is called
# now is in [the tables](../from-braintrace.md).

# %% [markdown] lang="zh"
# # 从 braintrace 迁移
#
# 两个完整的 braintrace 0.2.6 程序，以及它们在这里的写法。
# 各个名称的对应关系见[对照表](../from-braintrace.md)。

# %% [markdown] lang="en"
# ## A recurrent net that remembers
#
# The first steps of a trial say which of two classes it is of; the net must still know at the end.
# In braintrace:

# %% [markdown] lang="zh"
# ## 会记忆的循环网络
#
# 试次的前几步说明它属于两类中的哪一类，网络到最后仍要记得。用 braintrace 写：

# %% [markdown]
# ```python
# import brainstate
# import braintools
# import braintrace
# import jax.numpy as jnp
# import numpy as np
#
# brainstate.random.seed(0)
#
#
# def trials(seed, number=32, steps=20):
#     rng = np.random.default_rng(seed)
#     x = rng.normal(0, 0.3, (steps, number, 4)).astype(np.float32)
#     label = rng.integers(0, 2, number)
#     x[:3, :, 0] += 2.0 * label - 1.0
#     return jnp.asarray(x), jnp.broadcast_to(label, (steps, number))
#
#
# class Net(brainstate.nn.Module):
#     def __init__(self):
#         super().__init__()
#         self.rnn = braintrace.nn.ValinaRNNCell(4, 32, activation="tanh")
#         self.readout = braintrace.nn.Linear(32, 2)
#
#     def update(self, x):
#         return self.readout(self.rnn(x))
#
#
# net = Net()
# learner = braintrace.compile(net, "D_RTRL", jnp.zeros((32, 4)), batch_size=32)
# weights = net.states(brainstate.ParamState)
# optimizer = braintools.optim.Adam(lr=1e-2)
# optimizer.register_trainable_weights(weights)
#
#
# def loss_of(x, label):
#     return braintools.metric.softmax_cross_entropy_with_integer_labels(learner(x), label).mean()
#
#
# @brainstate.transform.jit
# def train(xs, labels):
#     learner.reset_state(batch_size=32)
#     grads, loss = learner.etrace_grad(xs, labels, step_fn=loss_of, return_value=True)
#     optimizer.update(grads)
#     return loss
#
#
# losses = [float(train(*trials(i)).mean()) for i in range(20)]
# print(f"loss {np.mean(losses[:5]):.3f} -> {np.mean(losses[-5:]):.3f}")
# ```

# %% [markdown] lang="en"
# It prints `loss 0.699 -> 0.415`: with its default options the readout, which is behind the last
# hidden state, has a gradient of zero and stays as it began. Here:

# %% [markdown] lang="zh"
# 它打印 `loss 0.699 -> 0.415`：在默认选项下，位于最后一个隐状态之后的读出层梯度为零，
# 始终停在初始值。在这里：

# %%
import brainpy.state
import brainstate
import braintools
import brainunit as u
import jax.numpy as jnp
import numpy as np

import brainscale

brainstate.random.seed(0)


def trials(seed, number=32, steps=20):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.3, (steps, number, 4)).astype(np.float32)
    label = rng.integers(0, 2, number)
    x[:3, :, 0] += 2.0 * label - 1.0
    return jnp.asarray(x), jnp.broadcast_to(label, (steps, number))


class Net(brainstate.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = brainscale.nn.ValinaRNNCell(4, 32, activation="tanh")
        self.readout = brainscale.nn.Linear(32, 2, param_type=brainscale.NonTempParam)

    def update(self, x):
        return self.readout(self.rnn(x))


net = Net()
learner = brainscale.compile(net, "D_RTRL", jnp.zeros((32, 4)), batch_size=32)
optimizer = braintools.optim.Adam(lr=1e-2)
optimizer.register_trainable_weights(learner.param_states)


def loss_of(x, label):
    return (
        braintools.metric.softmax_cross_entropy_with_integer_labels(learner(x), label).mean() / 20
    )


@brainstate.transform.jit
def train(xs, labels):
    learner.reset_state(32)
    grads, loss = learner.etrace_grad(xs, labels, loss_of, return_value=True)
    optimizer.update(grads)
    return loss


losses = [float(train(*trials(i)).sum()) for i in range(20)]
first, last = np.mean(losses[:5]), np.mean(losses[-5:])
print(f"loss {first:.3f} -> {last:.3f}")
np.testing.assert_allclose([first, last], [0.667, 0.010], atol=0.005)

# %% [markdown] lang="en"
# Four lines differ:
#
# - the readout says that it needs no trace, by `NonTempParam`, and its gradient is exact. Without
#   it the program is refused, with this mend;
# - the gradient is the sum over the steps of the loss as it is written, so the mean over twenty
#   steps is written, too;
# - `step_fn` may stand last without its name;
# - a learner knows its parameters: `learner.param_states`.

# %% [markdown] lang="zh"
# 有四处不同：
#
# - 读出层用 `NonTempParam` 说明自己不需要资格迹，它的梯度是精确的。
#   不写的话程序会被拒绝，错误信息会给出这个改法；
# - 梯度是各步损失之和的梯度，损失怎么写就怎么算；要对二十步取平均，就把它写出来；
# - `step_fn` 可以不写名字，放在最后；
# - 学习器知道自己的参数：`learner.param_states`。

# %% [markdown] lang="en"
# ## A spiking net, mapped over the batch
#
# The model is of one member of a batch, and everything is mapped. In braintrace:

# %% [markdown] lang="zh"
# ## 按批次映射的脉冲网络
#
# 模型只针对批次中的一个样本来写，其余都由映射完成。用 braintrace 写：

# %% [markdown]
# ```python
# import brainpy.state
# import brainstate
# import braintools
# import braintrace
# import brainunit as u
# import jax.numpy as jnp
# import numpy as np
#
# brainstate.random.seed(0)
# brainstate.environ.set(dt=1.0 * u.ms)
#
#
# def trials(seed, number=32, steps=50, inputs=40):
#     rng = np.random.default_rng(seed)
#     label = rng.integers(0, 2, number)
#     is_fast = (np.arange(inputs) < inputs // 2) ^ (label == 1)[:, None]
#     spikes = rng.random((steps, *is_fast.shape)) < np.where(is_fast, 0.08, 0.02)
#     return jnp.asarray(spikes, float), jnp.broadcast_to(label, (steps, number))
#
#
# class Net(brainstate.nn.Module):
#     def __init__(self):
#         super().__init__()
#         w_init = braintools.init.KaimingNormal(scale=4.0, unit=u.mA)
#         b_init = braintools.init.ZeroInit(unit=u.mA)
#         self.into = braintrace.nn.Linear(40, 60, w_init=w_init, b_init=b_init)
#         self.neurons = brainpy.state.LIF(60, R=1 * u.ohm, tau=20 * u.ms, V_th=1 * u.mV)
#         self.readout = braintrace.nn.LeakyRateReadout(60, 2, tau=20 * u.ms)
#
#     def update(self, x):
#         return self.readout(self.neurons(self.into(x)))
#
#
# net = Net()
# learner = braintrace.D_RTRL(net)
#
#
# weights = net.states(brainstate.ParamState)
# optimizer = braintools.optim.Adam(lr=5e-3)
# optimizer.register_trainable_weights(weights)
#
#
# @brainstate.transform.jit
# def train(xs, labels):
#     @brainstate.transform.vmap_new_states(state_tag="new", axis_size=32)
#     def begin():
#         brainstate.nn.init_all_states(net)
#         learner.compile_graph(xs[0, 0])
#
#     begin()
#     mapped = brainstate.nn.Vmap(learner, vmap_states="new")
#
#     def loss(x, label):
#         cross_entropy = braintools.metric.softmax_cross_entropy_with_integer_labels
#         return cross_entropy(mapped(x), label).mean()
#
#     def step(x, label):
#         grads, value = brainstate.transform.grad(loss, weights, return_value=True)(x, label)
#         optimizer.update(grads)
#         return value
#
#     return brainstate.transform.for_loop(step, xs, labels).mean()
#
#
# losses = [float(train(*trials(i))) for i in range(20)]
# print(f"loss {np.mean(losses[:5]):.3f} -> {np.mean(losses[-5:]):.3f}")
# ```

# %% [markdown] lang="en"
# It prints `loss 0.366 -> 0.062`. With one word changed, the library's name, it runs here, and the
# losses are the same:

# %% [markdown] lang="zh"
# 它打印 `loss 0.366 -> 0.062`。只要把库名换掉，它就能在这里运行，损失也相同：

# %%
brainstate.random.seed(0)
brainstate.environ.set(dt=1.0 * u.ms)


def trials(seed, number=32, steps=50, inputs=40):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, number)
    is_fast = (np.arange(inputs) < inputs // 2) ^ (label == 1)[:, None]
    spikes = rng.random((steps, *is_fast.shape)) < np.where(is_fast, 0.08, 0.02)
    return jnp.asarray(spikes, float), jnp.broadcast_to(label, (steps, number))


class Net(brainstate.nn.Module):
    def __init__(self):
        super().__init__()
        w_init = braintools.init.KaimingNormal(scale=4.0, unit=u.mA)
        b_init = braintools.init.ZeroInit(unit=u.mA)
        self.into = brainscale.nn.Linear(40, 60, w_init=w_init, b_init=b_init)
        self.neurons = brainpy.state.LIF(60, R=1 * u.ohm, tau=20 * u.ms, V_th=1 * u.mV)
        self.readout = brainscale.nn.LeakyRateReadout(60, 2, tau=20 * u.ms)

    def update(self, x):
        return self.readout(self.neurons(self.into(x)))


net = Net()
learner = brainscale.D_RTRL(net)


weights = net.states(brainstate.ParamState)
optimizer = braintools.optim.Adam(lr=5e-3)
optimizer.register_trainable_weights(weights)


@brainstate.transform.jit
def train(xs, labels):
    @brainstate.transform.vmap_new_states(state_tag="new", axis_size=32)
    def begin():
        brainstate.nn.init_all_states(net)
        learner.compile_graph(xs[0, 0])

    begin()
    mapped = brainstate.nn.Vmap(learner, vmap_states="new")

    def loss(x, label):
        cross_entropy = braintools.metric.softmax_cross_entropy_with_integer_labels
        return cross_entropy(mapped(x), label).mean()

    def step(x, label):
        grads, value = brainstate.transform.grad(loss, weights, return_value=True)(x, label)
        optimizer.update(grads)
        return value

    return brainstate.transform.for_loop(step, xs, labels).mean()


losses = [float(train(*trials(i))) for i in range(20)]
first, last = np.mean(losses[:5]), np.mean(losses[-5:])
print(f"loss {first:.3f} -> {last:.3f}")
np.testing.assert_allclose([first, last], [0.366, 0.062], atol=0.002)

# %% [markdown] lang="en"
# A batch that is an axis of the states is shorter and may go through a whole sequence at once. The
# model's own layers and neurons know batches already; what is left is the loop, which is
# `brainscale.fit`.

# %% [markdown] lang="zh"
# 让批次成为状态的一个轴会更短，而且可以一次处理整个序列。
# 模型里的层和神经元本来就支持批次；剩下的循环就是 `brainscale.fit`。

# %%
brainstate.random.seed(0)
learner = brainscale.D_RTRL(Net())


def cross_entropy(x, label):
    return braintools.metric.softmax_cross_entropy_with_integer_labels(learner(x), label).mean()


history = brainscale.fit(
    learner, cross_entropy, trials, 20, braintools.optim.Adam(lr=5e-3), every=1, progress=False
)
losses = history["loss"]
first, last = np.mean(losses[:5]), np.mean(losses[-5:])
print(f"loss {first:.3f} -> {last:.3f}")
np.testing.assert_allclose([first, last], [0.366, 0.062], atol=0.002)
