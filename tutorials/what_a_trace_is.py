# %% [markdown] lang="en"
# # What a trace is
#
# Online learning, step by step: one neuron with two inputs, so small that everything can be drawn
# and checked by hand.

# %% [markdown] lang="zh"
# # 什么是资格迹
#
# 一步一步看在线学习：一个神经元，两个输入，小到每个量都可以画出来、用手验算。

# %%
import base64
import io

import brainstate
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import brainscale

# %% [markdown] lang="en"
# **The model.** A state leaks and adds its input: h(t) = 0.9 h(t−1) + W x(t). What the loss of a
# step sees is h(t).

# %% [markdown] lang="zh"
# **模型。** 状态一边泄漏，一边累加输入：h(t) = 0.9 h(t−1) + W x(t)。每一步的损失只看到 h(t)。


# %%
class Leaky(brainstate.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = brainscale.ETraceParam(jnp.array([[0.5], [-0.3]]), brainscale.MatMulOp())

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainscale.ETraceState(jnp.zeros((batch_size, 1)))

    def update(self, x):
        self.h.value = 0.9 * self.h.value + self.weight.execute(x)
        return self.h.value


learner = brainscale.compile(Leaky(), "D_RTRL", jnp.zeros((1, 2)), batch_size=1)

# %% [markdown] lang="en"
# **A trace** answers: if this weight had been a little larger from the beginning, how much larger
# would the state be now? It follows the neuron's own dynamics: ε(t) = 0.9 ε(t−1) + x(t). Nothing of
# the past is stored but this one number a weight, and the learner moves it on with each step.

# %% [markdown] lang="zh"
# **资格迹**回答这样一个问题：假如这个权重从一开始就稍大一点，现在的状态会大多少？
# 它遵循神经元自身的动力学：ε(t) = 0.9 ε(t−1) + x(t)。
# 过去的一切，只为每个权重留下这一个数；学习器每一步把它向前推进一次。

# %%
steps = 60
inputs = np.zeros((steps, 1, 2), np.float32)
inputs[[5, 10, 15], :, 0] = 1.0  # The first input comes early, the second late.
inputs[[40, 43], :, 1] = 1.0


@brainstate.transform.jit
def step(x):
    h = learner(x)
    return h[0, 0], learner.get_etrace_of(learner.model.weight)


states, traces = [], []
for x in inputs:
    h, trace = step(x)
    states.append(float(h))
    traces.append(np.ravel(trace["h"].mantissa))
traces = np.array(traces)

by_hand = np.zeros((steps, 2))
by_hand[0] = inputs[0, 0]
for t in range(1, steps):
    by_hand[t] = 0.9 * by_hand[t - 1] + inputs[t, 0]
np.testing.assert_allclose(traces, by_hand, atol=1e-6)

# %%
figure, axes = plt.subplots(3, 1, figsize=(8, 5), sharex=True, layout="constrained")
axes[0].eventplot([np.nonzero(inputs[:, 0, i])[0] for i in (0, 1)], colors=["C0", "C1"])
axes[0].set(yticks=[0, 1], ylabel="input")
axes[1].plot(states, color="0.2")
axes[1].set(ylabel="h")
image = axes[2].imshow(traces.T, aspect="auto", interpolation="none", origin="lower")
axes[2].set(yticks=[0, 1], ylabel="weight", xlabel="time (steps)")
figure.colorbar(image, ax=axes[2], label="trace ε")
plt.show()

# %% [markdown] lang="en"
# **From a trace to a gradient.** A loss says how it changes with the state, (h − y) here; times the
# trace, this is its gradient by the weight, now, with no way back in time. Summed over the steps it
# is what backpropagation through time gives, which needs the whole past:

# %% [markdown] lang="zh"
# **从资格迹到梯度。** 损失说明它怎样随状态变化，这里是 (h − y)；乘以资格迹，
# 就是此刻损失对权重的梯度，不需要沿时间往回走。
# 逐步相加，就等于沿时间反向传播（BPTT）的结果，而后者需要全部的过去：

# %%
target = 0.2
online = sum((h - target) * trace for h, trace in zip(states, traces, strict=True))


def loss_through_time(weight):
    h, loss = jnp.zeros(1), 0.0
    for x in inputs[:, 0]:
        h = 0.9 * h + x @ weight
        loss += 0.5 * ((h - target) ** 2).sum()
    return loss


through_time = brainstate.transform.grad(loss_through_time)(jnp.array([[0.5], [-0.3]]))
print("online      ", np.round(online, 4))
print("through time", np.round(np.ravel(through_time), 4))
np.testing.assert_allclose(online, np.ravel(through_time), rtol=1e-4)
np.testing.assert_allclose(online, [9.61, -8.13], atol=0.01)

# %% [markdown] lang="en"
# **Step by step.** On the left is all that there is at a step: the inputs, the state beside its
# target, the two traces, whose past is drawn and stored nowhere. On the right the gradient grows by
# (h − y) ε in each step, and ends at the dashed lines, which are those of BPTT.

# %% [markdown] lang="zh"
# **逐步来看。** 左边是每一步的全部的量：输入、状态与目标，以及两条资格迹；
# 图上画出了它们的过去，但这些过去并不保存。
# 右边的梯度每一步增加 (h − y) ε，最后到达虚线，也就是 BPTT 的结果。


# %%
class Movie:
    """Pictures, one after the other, as a notebook shows them."""

    def __init__(self, pictures):
        file = io.BytesIO()
        pictures[0].save(
            file, "GIF", save_all=True, append_images=pictures[1:], duration=250, loop=0
        )
        self.gif = file.getvalue()

    def _repr_html_(self):
        data = base64.b64encode(self.gif).decode()
        alt = "The traces and the gradient, step by step"
        return f'<img alt="{alt}" src="data:image/gif;base64,{data}">'


so_far = np.cumsum((np.array(states) - target)[:, None] * traces, 0)
arrived = np.where(inputs[:, 0] > 0, [0, 1], np.nan)
figure, panels = plt.subplot_mosaic(
    [["inputs", "gradient"], ["h", "gradient"], ["traces", "gradient"]],
    figsize=(8, 4),
    dpi=80,
    width_ratios=[3, 1],
    layout="constrained",
)
curves = [(panels["h"].plot([], color="0.2")[0], states)]
for i, color in enumerate(["C0", "C1"]):
    curves.append((panels["inputs"].plot([], "|", color=color, markersize=16)[0], arrived[:, i]))
    curves.append((panels["traces"].plot([], color=color)[0], traces[:, i]))
    panels["gradient"].hlines(np.ravel(through_time)[i], i - 0.4, i + 0.4, "0.2", "--")
bars = panels["gradient"].bar([0, 1], [0, 0], color=["C0", "C1"])
panels["h"].axhline(target, color="0.6", linestyle="--", label="target")
panels["h"].legend(loc="upper right")
panels["inputs"].set(xlim=(0, steps), ylim=(-0.7, 1.7), yticks=[0, 1], ylabel="input")
panels["h"].set(xlim=(0, steps), ylim=(-0.7, 1.4), ylabel="h")
panels["traces"].set(xlim=(0, steps), ylim=(-0.2, 2.6), ylabel="trace ε", xlabel="time (steps)")
panels["gradient"].set(title="gradient so far", ylim=(-12, 12), xticks=[0, 1], xlabel="weight")
for name in ("inputs", "h"):
    panels[name].tick_params(labelbottom=False)
figure.canvas.draw()
figure.set_layout_engine("none")  # It is laid out, once for all steps.


def draw(t):
    for curve, values in curves:
        curve.set_data(np.arange(t + 1), values[: t + 1])
    for bar, height in zip(bars, so_far[t], strict=True):
        bar.set_height(height)
    figure.canvas.draw()
    return Image.fromarray(np.array(figure.canvas.buffer_rgba())[..., :3])


movie = Movie([draw(t) for t in range(1, steps, 2)])
plt.close(figure)
movie

# %% [markdown] lang="en"
# `learner.etrace_grad` does this for whole networks. Where neurons act on each other through
# trained weights, D-RTRL leaves out what goes through these: `learner.show_graph()` says where.

# %% [markdown] lang="zh"
# `learner.etrace_grad` 对整个网络做同样的事。如果神经元之间通过可训练的权重相互作用，
# D-RTRL 会略去经过这些权重的那一部分：`learner.show_graph()` 会指出在哪里。
