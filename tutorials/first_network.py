# %% [markdown] lang="en"
# # The first network
#
# From nothing to a spiking network that has learned: neurons of brainpy, weights with a unit, a
# loop by `brainscale.fit`, a loss that falls, an accuracy, and the spikes drawn.
# It takes ten seconds.

# %% [markdown] lang="zh"
# # 第一个网络
#
# 从零开始，直到一个学会了任务的脉冲网络：用 brainpy 的神经元、带单位的权重、
# `brainscale.fit` 的训练循环，看着损失下降，打印准确率，并画出脉冲。运行大约需要十秒。

# %%
import brainpy.state
import brainstate
import braintools
import brainunit as u
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import brainscale

brainstate.random.seed(0)
brainstate.environ.set(dt=1.0 * u.ms)

# %% [markdown] lang="en"
# **The task.** Forty input neurons fire at random for 50 ms. In class 0 the first twenty fire at
# 80 Hz and the others at 20 Hz; in class 1 it is the other way round. A single step tells little,
# so the network must add up what it has seen.

# %% [markdown] lang="zh"
# **任务。** 四十个输入神经元随机发放 50 ms。
# 第 0 类：前二十个以 80 Hz 发放，其余以 20 Hz 发放；第 1 类相反。
# 单独一步透露的信息很少，网络必须把看到的累积起来。


# %%
def trials(seed, number=32, steps=50, inputs=40):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, number)
    is_fast = (np.arange(inputs) < inputs // 2) ^ (label == 1)[:, None]
    spikes = rng.random((steps, *is_fast.shape)) < np.where(is_fast, 0.08, 0.02)
    return spikes.astype(np.float32), np.broadcast_to(label, (steps, number))


# %% [markdown] lang="en"
# **The model** makes one step. A leaky integrate-and-fire neuron adds a current, in mA, times a
# resistance to its potential, in mV; so the weights are in mA, which their initializer says. The
# recurrent spikes enter through the same weights. The readout leaks, and is a plain layer.

# %% [markdown] lang="zh"
# **模型**只写一步。泄漏积分发放（LIF）神经元把电流（mA）乘以电阻，加到膜电位（mV）上，
# 因此权重的单位是 mA，由初始化器给出。循环脉冲也经过同一个权重矩阵。读出层带有泄漏，是普通的层。


# %%
class Net(brainstate.nn.Module):
    def __init__(self, inputs=40, size=60):
        super().__init__()
        self.into = brainscale.nn.Linear(
            inputs + size,
            size,
            w_init=braintools.init.KaimingNormal(scale=4.0, unit=u.mA),
            b_init=braintools.init.ZeroInit(unit=u.mA),
        )
        self.neurons = brainpy.state.LIF(size, R=1 * u.ohm, tau=20 * u.ms, V_th=1 * u.mV)
        self.readout = brainscale.nn.LeakyRateReadout(size, 2, tau=20 * u.ms)

    def update(self, x):
        spikes = self.neurons.get_spike()
        current = self.into(jnp.concatenate([x, spikes], -1))
        return self.readout(self.neurons(current))


# %% [markdown] lang="en"
# **Learning** is online: at each step the learner has a trace for each weight, and `every=10`
# updates the weights five times within a trial. `step` calls the learner once and gives the step's
# loss.

# %% [markdown] lang="zh"
# **学习**是在线的：每一步，学习器都为每个权重保存一条资格迹；
# `every=10` 表示在一个试次之内更新权重五次。`step` 调用一次学习器，返回这一步的损失。

# %%
net = Net()
learner = brainscale.D_RTRL(net)


def step(x, label):
    out = learner(x)
    loss = optax.softmax_cross_entropy_with_integer_labels(out, label).mean()
    return loss, {"accuracy": (out.argmax(-1) == label).mean()}


history = brainscale.fit(learner, step, trials, 60, optax.adam(5e-3), every=10, progress=False)
first, last = history["loss"][:10].mean(), history["loss"][-10:].mean()
print(f"loss {first:.2f} -> {last:.2f}")

# %% [markdown] lang="en"
# **What it has learned** is judged on trials that it has not seen, by what it says in the last
# step.

# %% [markdown] lang="zh"
# **学到了什么**，要用它没有见过的试次来检验，以网络最后一步的输出为准。

# %%
spikes, labels = trials(10_000, number=256)
brainstate.nn.init_all_states(net, batch_size=256)


@brainstate.transform.jit
def run(spikes):
    return brainstate.transform.for_loop(lambda x: (net(x), net.neurons.get_spike()), spikes)


answers, emitted = run(jnp.asarray(spikes))
accuracy = float((answers[-1].argmax(-1) == labels[-1]).mean())
print(f"accuracy {accuracy:.2f}")

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 2.8), layout="constrained")
axes[0].plot(history["loss"])
axes[0].set(xlabel="iteration", ylabel="cross-entropy")
for ax, label in zip(axes[1:], (0, 1), strict=True):
    trial = int(np.argmax(labels[0] == label))
    times, neurons = np.nonzero(np.asarray(emitted[:, trial]))
    braintools.visualize.spike_raster(times, neurons, ax=ax, markersize=4, xlabel="time (ms)")
    ax.set(title=f"class {label}", ylabel="neuron", xlim=(0, 50))
plt.show()

# %% [markdown] lang="en"
# So it has learned: this is checked each time the page is made.

# %% [markdown] lang="zh"
# 网络确实学会了：每次生成本页时都会检验这些数字。

# %%
np.testing.assert_allclose([first, last], [0.693, 0.105], atol=0.005)
assert accuracy > 0.97
