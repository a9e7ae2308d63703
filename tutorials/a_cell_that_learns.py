# %% [markdown] lang="en"
# # A cell that learns
#
# A cell of three sections, with synapses all over it, learns to follow a voltage that is seen at
# its soma alone. What a synapse far out on the dendrite does to the soma goes through the cable: a
# trace of each synapse says what its weight has done to every compartment.

# %% [markdown] lang="zh"
# # 会学习的细胞
#
# 一个由三段组成的细胞，全身布满突触；我们只能看到胞体的电压，要它学会跟随。
# 树突远端的突触要经过电缆才能影响胞体：每个突触的资格迹记录着它的权重对每个隔室的影响。

# %%
import brainstate
import brainunit as u
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import brainscale

# %% [markdown] lang="en"
# **The cell**: a soma, and at its end an axon of two compartments and a dendrite of three, which is
# thickest in the middle. A cell from an SWC file is as good: `brainscale.nn.read_swc`.

# %% [markdown] lang="zh"
# **细胞**：一个胞体，末端接着一条轴突（两个隔室）和一条树突（三个隔室，中间最粗）。
# 也可以用 `brainscale.nn.read_swc` 从 SWC 文件读取细胞。

# %%
brainstate.environ.set(dt=0.25 * u.ms)
places = np.array([[0.0, 0, 0], [100, 0, 0], [200, 0, 0]])
morphology = brainscale.nn.Morphology(
    brainscale.nn.Section("soma", length=20 * u.um, diam=10 * u.um),
    brainscale.nn.Section("axon", 2, length=100 * u.um, diam=1 * u.um, parent="soma"),
    brainscale.nn.Section(
        *("dendrite", 3),
        positions=places * u.um,
        diams=np.array([2.0, 3, 2]) * u.um,
        parent="soma",
    ),
)
compartments = morphology.compartments.names
print(compartments)

# %% [markdown] lang="en"
# **The model**: four fibres come onto each compartment. A spike adds the synapse's weight, in pA,
# to a current that decays in 5 ms. These currents are one state of six variables, the potentials of
# the compartments another; together they are one hidden group. A step returns the soma's potential.

# %% [markdown] lang="zh"
# **模型**：每个隔室接收四根传入纤维。一个脉冲使电流增加一个突触权重（单位 pA），电流以 5 ms 衰减。
# 六个隔室的电流是一个状态，六个膜电位是另一个；它们合成一个隐状态组。每一步返回胞体的膜电位。


# %%
class Cell(brainstate.nn.Module):
    def __init__(self, weight):
        super().__init__()
        fibres, n = len(weight), len(compartments)
        target = np.arange(fibres) * n // fibres
        self.synapses = brainscale.ETraceParam(
            jnp.asarray(weight, jnp.float32) * u.pA,
            brainscale.SpMatMulOp((np.arange(fibres), target, (fibres, n))),
        )
        self.cable = brainscale.nn.PassiveCable(1, morphology)

    def init_state(self, batch_size=None, **kwargs):
        zero = jnp.zeros((batch_size, 1, len(compartments))) * u.pA
        self.current = brainscale.ETraceGroupState(zero)

    def update(self, x):
        arrived = self.synapses.execute(x)[..., None, :]
        self.current.value = np.float32(np.exp(-0.25 / 5.0)) * self.current.value + arrived
        self.cable(self.current.value)
        return self.cable.V.value[..., 0, 0] / u.mV


# %% [markdown] lang="en"
# **A teacher** is the same cell with weights of its own. The student is given the same spikes, and
# the potential of the teacher's soma.

# %% [markdown] lang="zh"
# **教师**是同样的细胞，权重不同。学生得到同样的脉冲，以及教师胞体的膜电位。

# %%
rng = np.random.default_rng(0)
true_weights = rng.uniform(0.0, 20.0, 24)
teacher, student = Cell(true_weights), Cell(np.full(24, 10.0))


def spikes_of(seed, number=8, steps=400):
    return (np.random.default_rng(seed).random((steps, number, 24)) < 0.01).astype(np.float32)


@brainstate.transform.jit
def record(spikes):
    brainstate.nn.init_all_states(teacher, batch_size=spikes.shape[1])
    return brainstate.transform.for_loop(teacher, spikes)


learner = brainscale.D_RTRL(student)


def step(x, V):
    return ((learner(x) - V) ** 2).mean()


def trials(i):
    spikes = spikes_of(i)
    return spikes, record(spikes)


history = brainscale.fit(learner, step, trials, 120, optax.adam(0.5), progress=False)
error = np.sqrt(history["loss"])
found = np.asarray(student.synapses.value / u.pA)
print(f"error of the soma {error[0]:.3f} -> {error[-1]:.4f} mV")
print(f"largest error of a weight {np.abs(found - true_weights).max():.2f} pA")

# %% [markdown] lang="en"
# **The weights come back**, those of far compartments too, though nobody saw their potentials.

# %% [markdown] lang="zh"
# **权重被找回来了**，远端隔室的也一样，尽管那里的膜电位从未给出过。

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 2.8), layout="constrained")
axes[0].semilogy(error)
axes[0].set(xlabel="iteration", ylabel="error at the soma (mV)")
axes[1].plot(true_weights, found, "o")
axes[1].axline((0, 0), slope=1, color="0.7")
axes[1].set(xlabel="the teacher's weight (pA)", ylabel="the student's (pA)")

brainstate.nn.init_all_states(student, batch_size=1)
learner.compile_graph(jnp.zeros((1, 24)))


@brainstate.transform.jit
def trace_of_last(x):
    learner(x)
    return learner.get_etrace_of(student.synapses)


one = np.zeros((160, 1, 24), np.float32)
one[8, 0, -1] = 1.0  # A spike of the last fibre, at the dendrite's end.
traces = [trace_of_last(x) for x in one]
V = np.array([np.asarray(t["cable.V"] / (u.mV / u.pA))[0, -1, :] for t in traces])
axes[2].plot(0.25 * np.arange(160), V.reshape(160, -1), label=compartments)
axes[2].set(xlabel="time (ms)", ylabel="trace of V (mV/pA)")
axes[2].legend(fontsize=7)
plt.show()

# %% [markdown] lang="en"
# On the right is the trace of the last synapse after one spike: first the dendrite's end feels it,
# then, smaller and later, the soma. A loss at the soma reads the soma's share of it.

# %% [markdown] lang="zh"
# 右图是最后一个突触在一个脉冲之后的资格迹：最先有反应的是树突末端，随后是胞体，幅度更小，时间更晚。
# 定义在胞体上的损失只读取属于胞体的那一份。

# %%
assert error[-1] < 0.01 < 0.2 < error[0]
assert np.abs(found - true_weights).max() < 0.2
peaks = V.reshape(160, 6).argmax(0)
assert peaks[5] < peaks[0]
