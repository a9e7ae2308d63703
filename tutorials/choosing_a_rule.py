# %% [markdown] lang="en"
# # Choosing a rule
#
# A rule that keeps less leaves something out. Here each rule gives the gradient of one small
# recurrent network on the same sequence, beside RTRL, which leaves nothing out. The two numbers to
# weigh are how many numbers a rule keeps, and how far its gradient points away from the true one.

# %% [markdown] lang="zh"
# # 选择学习规则
#
# 保存得少的规则，总要略去一些东西。这里让每条规则在同一序列上计算同一个小型循环网络的梯度，
# 并与毫无省略的 RTRL 对照。
# 需要权衡的是两个数：规则要保存多少个数，它的梯度方向与真实梯度相差多远。

# %%
import brainstate
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import brainscale

INPUTS, NEURONS, STEPS, BATCH = 4, 8, 30, 16

# %% [markdown] lang="en"
# **The network**: eight leaky neurons that act on each other through the weights that are learned.
# This is what D-RTRL is not exact for.

# %% [markdown] lang="zh"
# **网络**：八个泄漏积分神经元，通过要学习的权重相互作用；D-RTRL 对这样的网络并不精确。


# %%
class Net(brainstate.nn.Module):
    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(1)
        weight = rng.normal(0, 0.25, (INPUTS + NEURONS, NEURONS)).astype(np.float32)
        self.into = brainscale.ETraceParam(jnp.asarray(weight), brainscale.MatMulOp())
        out = rng.normal(0, 0.5, (NEURONS, 1)).astype(np.float32)
        self.readout = brainscale.NonTempParam(jnp.asarray(out), brainscale.MatMulOp())

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainscale.ETraceState(jnp.zeros((batch_size, NEURONS)))

    def update(self, x):
        y = self.into.execute(jnp.concatenate([x, jnp.tanh(self.h.value)], -1))
        self.h.value = 0.8 * self.h.value + y
        return self.readout.execute(jnp.tanh(self.h.value))


rng = np.random.default_rng(2)
xs = rng.normal(size=(STEPS, BATCH, INPUTS)).astype(np.float32)
ys = np.sin(np.cumsum(xs.mean(-1, keepdims=True), 0)).astype(np.float32)


def gradient_by(rule, **options):
    """The gradient of the weights, and how many numbers the rule keeps for one of the batch."""
    learner = brainscale.compile(Net(), rule, xs[0], batch_size=BATCH, **options)

    @brainstate.transform.jit
    def gradients():
        def loss(x, y):
            return ((learner(x) - y) ** 2).mean()

        return learner.etrace_grad(xs, ys, loss)

    gradient = np.ravel(gradients()[("into",)])
    traces = jax.tree.leaves(learner.get_etrace_of(learner.model.into))
    kept = sum(np.size(trace) for trace in traces) // BATCH
    return gradient, kept


# %% [markdown] lang="en"
# **Four rules.** The cosine of the angle to the true gradient is 1 where they point the same way.

# %% [markdown] lang="zh"
# **四条规则。** 与真实梯度夹角的余弦等于 1，表示方向完全一致。

# %%
RULES = {
    "RTRL": ("RTRL", {}),
    "OSTL": ("OSTL", {}),
    "D-RTRL": ("D_RTRL", {}),
    "ES-D-RTRL": ("ES_D_RTRL", {"decay_or_rank": 0.9}),
}
results = {name: gradient_by(rule, **options) for name, (rule, options) in RULES.items()}
truth, _ = results["RTRL"]
kept = {name: number for name, (_, number) in results.items()}
cosine = {
    name: float(gradient @ truth / np.linalg.norm(gradient) / np.linalg.norm(truth))
    for name, (gradient, _) in results.items()
}
for name in RULES:
    print(f"{name:10} keeps {kept[name]:4} numbers, cosine {cosine[name]:.2f}")

# %%
figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
for name in ("D-RTRL", "ES-D-RTRL", "OSTL"):
    ax.scatter(kept[name], cosine[name], s=60)
    ax.annotate(name, (kept[name], cosine[name]), xytext=(8, -4), textcoords="offset points")
ax.set(xscale="log", xlim=(10, 3000), ylim=(0, 1.1))
ax.set(xlabel="numbers kept for each member of a batch", ylabel="cosine to the gradient of RTRL")
plt.show()

# %% [markdown] lang="en"
# **Where it leaves something out** a learner says of any model, in words (`show_graph()`) and as a
# figure: what reaches what in a step, and with dashes what it has from the step before.

# %% [markdown] lang="zh"
# **在哪里省略**，学习器对任何模型都能说明，可以用文字（`show_graph()`），也可以画成图：
# 一步之内谁影响谁；虚线表示来自上一步的影响。

# %%
learner = brainscale.compile(Net(), "D_RTRL", xs[0], batch_size=BATCH)
print(learner.show_graph(verbose=False))
learner.show_graph(verbose=False).draw()

# %% [markdown] lang="en"
# RTRL keeps the derivative of each of the 8 states by each of the 12 × 8 weights: 768 numbers. OSTL
# keeps as many in a single layer, and is exact there. D-RTRL keeps a number for each weight, 96; it
# leaves out what goes from neuron to neuron through the weights. ES-D-RTRL keeps one for each input
# and each neuron, 20, and smooths over time. With more neurons the distance grows: at 1,000 the
# four are as 10⁹ to 10⁹ to 10⁶ to 10³. Without recurrence D-RTRL would be exact, too.
#
# An angle is not everything: a gradient of cosine 0.7 descends, at another pace. Make your model
# small, compare as is done here, then decide; `learner.show_graph()` says what a rule leaves out.

# %% [markdown] lang="zh"
# RTRL 保存 8 个状态对 12 × 8 个权重的导数，共 768 个数。OSTL 在只有一层时保存同样多的数，并且精确。
# D-RTRL 为每个权重保存一个数，共 96 个；它略去经由权重从一个神经元传到另一个神经元的部分。
# ES-D-RTRL 为每个输入和每个神经元各保存一个数，共 20 个，并在时间上做平滑。
# 神经元越多，差距越大：有 1000 个神经元时，四者的数量级之比是 10⁹ : 10⁹ : 10⁶ : 10³。
# 如果没有循环连接，D-RTRL 也是精确的。
#
# 夹角并不是一切：余弦为 0.7 的梯度依然使损失下降，只是快慢不同。
# 把你的模型缩小，照这里的做法比较，再作决定；`learner.show_graph()` 会说明规则略去了什么。

# %%
assert kept == {"RTRL": 768, "OSTL": 768, "D-RTRL": 96, "ES-D-RTRL": 20}
expected = [1.0, 1.0, 0.705, 0.703]
np.testing.assert_allclose(list(cosine.values()), expected, atol=2e-3)
