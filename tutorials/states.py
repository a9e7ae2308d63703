# %% [markdown] lang="en"
# # States: one, a group, a tree
#
# A learner must know which numbers a model carries from step to step. There are three ways to say
# so, and this page walks through them with the two models that brainscale's first document had: a
# GIF neuron and a cell of three sections. Where its numbers could not work, this page says so, and
# what works.

# %% [markdown] lang="zh"
# # 状态：单个、一组、一棵树
#
# 学习器必须知道模型把哪些数从一步带到下一步。有三种写法，
# 本页用 brainscale 最初的文档里的两个模型逐一说明：GIF 神经元和三段细胞。
# 原文中有几处数值行不通，本页会指出来，并给出可行的写法。

# %%
import braincell
import brainstate
import brainunit as u
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import brainscale

brainstate.random.seed(0)

# %% [markdown] lang="en"
# ## One: `ETraceState`
#
# A state of one variable for each neuron. A GIF neuron (generalized integrate-and-fire) has four:
# two adaptation currents, a potential, and a threshold that moves.
#
#     dI_j/dt  = -k_j I_j
#     tau dV/dt = -(V - V_rest) + R (I_1 + I_2 + I)
#     dV_th/dt = a (V - V_rest) - b (V_th - V_th_inf)
#
# Where V > V_th it fires: I_j becomes R_j I_j + A_j, V becomes V_reset, and V_th the larger of
# V_th_reset and V_th.

# %% [markdown] lang="zh"
# ## 单个：`ETraceState`
#
# 每个神经元一个变量的状态。GIF（广义积分发放）神经元有四个这样的状态：
# 两个适应性电流、膜电位，和一个会变化的阈值。
#
#     dI_j/dt  = -k_j I_j
#     tau dV/dt = -(V - V_rest) + R (I_1 + I_2 + I)
#     dV_th/dt = a (V - V_rest) - b (V_th - V_th_inf)
#
# 当 V > V_th 时发放：I_j 变为 R_j I_j + A_j，V 变为 V_reset，
# V_th 变为 V_th_reset 与 V_th 中较大的一个。


# %%
class GIF(brainstate.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size = size
        self.tau, self.R = 20.0 * u.ms, 100.0 * u.Mohm
        self.V_rest, self.V_reset = -70.0 * u.mV, -80.0 * u.mV
        self.V_th_inf, self.V_th_reset = -50.0 * u.mV, -60.0 * u.mV
        self.k = (0.1 / u.ms, 0.05 / u.ms)
        self.R_spike, self.A = (0.9, 0.8), (-0.1 * u.nA, -0.05 * u.nA)
        self.a, self.b = 0.005 / u.ms, 0.01 / u.ms

    def init_state(self):
        self.I1 = brainscale.ETraceState(jnp.zeros(self.size) * u.nA)
        self.I2 = brainscale.ETraceState(jnp.zeros(self.size) * u.nA)
        noise = brainstate.random.normal(0.0, 2.0, (self.size,)) * u.mV
        self.V = brainscale.ETraceState(self.V_rest + noise)
        self.V_th = brainscale.ETraceState(
            brainstate.random.uniform(-52.0, -48.0, (self.size,)) * u.mV
        )

    def update(self, I):
        dt, I1, I2 = brainstate.environ.get("dt"), self.I1.value, self.I2.value
        V, V_th = self.V.value, self.V_th.value
        dV = (self.V_rest - V + self.R * (I1 + I2 + I)) / self.tau
        dV_th = self.a * (V - self.V_rest) - self.b * (V_th - self.V_th_inf)
        I1, I2 = I1 - dt * self.k[0] * I1, I2 - dt * self.k[1] * I2
        V, V_th = V + dt * dV, V_th + dt * dV_th
        fires = V > V_th
        self.I1.value = u.math.where(fires, self.R_spike[0] * I1 + self.A[0], I1)
        self.I2.value = u.math.where(fires, self.R_spike[1] * I2 + self.A[1], I2)
        self.V.value = u.math.where(fires, self.V_reset, V)
        self.V_th.value = u.math.where(fires, u.math.maximum(self.V_th_reset, V_th), V_th)
        return fires


neurons = GIF(100)
brainstate.nn.init_all_states(neurons)
print(neurons.I1.num_state, neurons.I1.varshape)

# %% [markdown] lang="en"
# The equations are the document's; three of its numbers are not, and one of its lines:
#
# - R was 100 Ω. A kick of 10 nA then moves the potential by a thousandth of a millivolt. 100 MΩ is
#   what a membrane has, and A is negative, or it does not adapt but excite.
# - a was 0.1/ms and b 0.02/ms: for each millivolt of V the threshold rises by a/b = 5 mV, and no
#   input ever reaches it. With 0.005 and 0.01 it rises by half.
# - V_th_reset, which the reset needs, had no value.
# - `normal(self.varshape)` makes one number, with 100 as its mean: the first argument is the mean,
#   the shape is the third.
#
# `brainscale.nn.GIF` is this neuron, with a batch, units checked, and the exact solution of a step.

# %% [markdown] lang="zh"
# 方程与原文相同；有三处数值和一行代码不同：
#
# - 原文 R = 100 Ω：10 nA 的跳变只使膜电位改变千分之一毫伏。膜电阻应为 100 MΩ；
#   A 应为负，否则不是适应，而是兴奋。
# - 原文 a = 0.1/ms、b = 0.02/ms：V 每升高 1 mV，阈值升高 a/b = 5 mV，任何输入都追不上它。
#   取 0.005 和 0.01 时，阈值只升高一半。
# - 重置要用到 V_th_reset，原文没有给它数值。
# - `normal(self.varshape)` 只产生一个数，均值为 100：第一个参数是均值，形状是第三个参数。
#
# `brainscale.nn.GIF` 就是这个神经元，支持批次，检查单位，每一步用精确解。

# %%
brainstate.environ.set(dt=0.1 * u.ms)


@brainstate.transform.jit
def run_neurons(steps):
    return brainstate.transform.for_loop(
        lambda i: (neurons(0.4 * u.nA), neurons.V.value, neurons.V_th.value), steps
    )


fired, V, V_th = run_neurons(jnp.arange(3000))
times = np.arange(3000) * 0.1
figure, axes = plt.subplots(2, 1, figsize=(8, 4), sharex=True, layout="constrained")
axes[0].plot(times, V[:, 0].to(u.mV).mantissa, label="V")
axes[0].plot(times, V_th[:, 0].to(u.mV).mantissa, label="V_th")
axes[0].set(ylabel="potential (mV)")
axes[0].legend()
axes[1].eventplot([times[np.asarray(fired[:, i])] for i in range(20)], colors="0.2")
axes[1].set(xlabel="time (ms)", ylabel="neuron")
plt.show()
counts = np.asarray(fired).sum(0)
print("spikes in 300 ms:", counts.min(), "to", counts.max())
assert 3 <= counts.min() <= counts.max() <= 30

# %% [markdown] lang="en"
# A state keeps its unit, shape and dtype. What does not fit is refused where it is written, and the
# state is as it was.

# %% [markdown] lang="zh"
# 状态保持自己的单位、形状和数据类型。写入不相符的值会当场被拒绝，状态保持原样。

# %%
try:
    neurons.V.value = jnp.zeros(100)
except brainscale.errors.UnitError as error:
    print(error)
else:
    raise AssertionError("a bare number has become a potential")

# %% [markdown] lang="en"
# ## A group: `ETraceGroupState`
#
# A state of several variables for each neuron, alike, in its last axis: the potentials of a cell's
# compartments. The cell's shape is braincell's, whose two generations say it differently.

# %% [markdown] lang="zh"
# ## 一组：`ETraceGroupState`
#
# 每个神经元有若干同类变量的状态，变量在最后一轴上，例如细胞各隔室的膜电位。
# 细胞的形态由 braincell 描述；它的两代版本写法不同。


# %%
def sections_of_0_0():
    morphology = braincell.Morphology()
    morphology.add_cylinder_section("soma", length=20 * u.um, diam=10 * u.um, nseg=1)
    morphology.add_cylinder_section("axon", length=100 * u.um, diam=1 * u.um, nseg=2)
    points = np.array([[0, 0, 0], [100, 0, 0], [200, 0, 0]]) * u.um
    diams = np.array([2, 3, 2]) * u.um
    morphology.add_point_section("dendrite", positions=points, diams=diams, nseg=3)
    for name in ("axon", "dendrite"):
        morphology.connect(name, "soma", parent_loc=1.0)
    return brainscale.nn.from_braincell(morphology)


def sections_of_0_1():
    from_lengths = braincell.Branch.from_lengths
    soma = from_lengths(lengths=[20.0] * u.um, radii=[5.0, 5.0] * u.um, type="soma")
    axon = from_lengths(lengths=[100.0] * u.um, radii=[0.5, 0.5] * u.um, type="axon")
    points = np.array([[0, 0, 0], [100, 0, 0], [200, 0, 0]]) * u.um
    radii = [1.0, 1.5, 1.0] * u.um
    dendrite = braincell.Branch.from_points(points=points, radii=radii, type="dendrite")
    morphology = braincell.Morphology.from_root(soma, name="soma")
    for name, branch in (("axon", axon), ("dendrite", dendrite)):
        morphology.attach(parent="soma", child_branch=branch, child_name=name, parent_x=1.0)
    return brainscale.nn.from_braincell(morphology, (1, 2, 3))


compartments = sections_of_0_1() if hasattr(braincell, "Branch") else sections_of_0_0()
cells = brainscale.nn.PassiveCable(10, compartments)
brainstate.nn.init_all_states(cells)
print(cells.V.num_state, cells.V.varshape, compartments.names)

# %% [markdown] lang="en"
# Ten cells of six compartments: `varshape` is of cells, `num_state` of variables. Each variable has
# an address, its number or its name.

# %% [markdown] lang="zh"
# 十个细胞，每个六个隔室：`varshape` 是细胞的形状，`num_state` 是变量的个数。
# 每个变量可以用编号或名字来取。

# %%
brainstate.environ.set(dt=0.025 * u.ms)


@brainstate.transform.jit
def run_cells(steps):
    def step(i):
        cells({"soma(0.5)": 0.1 * u.nA})
        return cells.V.value

    return brainstate.transform.for_loop(step, steps)


V = run_cells(jnp.arange(200))
figure, ax = plt.subplots(figsize=(8, 2.5), layout="constrained")
for i, name in enumerate(compartments.names):
    ax.plot(np.arange(1, 201) * 0.025, V[:, 0, i].to(u.mV).mantissa, label=name)
ax.set(xlabel="time (ms)", ylabel="V (mV)")
ax.legend(ncols=2)
plt.show()

# %% [markdown] lang="en"
# After 5 ms these are NEURON's potentials:

# %% [markdown] lang="zh"
# 5 ms 时，这些就是 NEURON 算出的膜电位：

# %%
by_neuron = [-50.623486, -51.031811, -51.428659, -51.197113, -51.712748, -51.944860]
np.testing.assert_allclose(cells.V.value[0].to(u.mV).mantissa, by_neuron, atol=2e-4)

# %% [markdown] lang="en"
# ## A tree: `ETraceTreeState`
#
# A state of variables that are not alike: each leaf has its own unit. The GIF neuron's four states
# as one:

# %% [markdown] lang="zh"
# ## 一棵树：`ETraceTreeState`
#
# 变量各不相同的状态：每片叶子有自己的单位。GIF 神经元的四个状态可以合成一个：

# %%
state = brainscale.ETraceTreeState(
    {
        "I1": jnp.zeros(5) * u.nA,
        "I2": jnp.zeros(5) * u.nA,
        "V": jnp.full(5, -70.0) * u.mV,
        "V_th": jnp.full(5, -50.0) * u.mV,
    }
)
print(state.num_state, state.paths)
state.set_value({"V": jnp.full(5, -65.0) * u.mV})
print(state.get_value("V"))
assert state.num_state == 4

# %% [markdown] lang="en"
# ## Which one?
#
# | a model has | state | a leaf is written by |
# |---|---|---|
# | one variable a neuron | `ETraceState` | `state.value = ...` |
# | several alike | `ETraceGroupState` | `state.set_value({name: ...})` |
# | several of different kinds | `ETraceTreeState` | `state.set_value({path: ...})` |
#
# It makes no difference to learning: what depends on each other within a neuron is found from the
# step's program, and is one hidden group in all three. From here goes on
# [What a trace is](what_a_trace_is.md).

# %% [markdown] lang="zh"
# ## 用哪一种？
#
# | 模型里有 | 状态 | 写入一片叶子 |
# |---|---|---|
# | 每个神经元一个变量 | `ETraceState` | `state.value = ...` |
# | 若干同类变量 | `ETraceGroupState` | `state.set_value({name: ...})` |
# | 若干不同种类的变量 | `ETraceTreeState` | `state.set_value({path: ...})` |
#
# 对学习来说没有区别：一个神经元内哪些变量相互依赖，由每一步的程序找出来，
# 三种写法都得到同一个隐状态组。接下来请看[什么是资格迹](what_a_trace_is.md)。
