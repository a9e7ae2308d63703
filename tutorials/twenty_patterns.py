# %% [markdown] lang="en"
# # Twenty firing patterns
#
# One neuron, twenty ways to fire: the patterns of Mihalas and Niebur (2009), table 1, each with its
# input below it. They differ in a few parameters of `brainscale.nn.GIF` and in what comes in.

# %% [markdown] lang="zh"
# # 二十种发放模式
#
# 同一个神经元，二十种发放方式：Mihalas 与 Niebur（2009）表 1 的各种模式，输入画在下方。
# 它们的区别只在于 `brainscale.nn.GIF` 的少数参数，以及输入。

# %%
import brainstate
import brainunit as u
import matplotlib.pyplot as plt
import numpy as np

import brainscale

dt = 0.1 * u.ms
brainstate.environ.set(dt=dt, precision=64)  # One of the inputs is a millionth above its threshold.

# %% [markdown] lang="en"
# `firing_pattern(name)` has the parameters and the current of each step. One run is a loop over it.

# %% [markdown] lang="zh"
# `firing_pattern(name)` 给出参数和每一步的电流；一次运行就是对它的循环。


# %%
def run(name):
    pattern = brainscale.nn.firing_pattern(name)
    neuron = brainscale.nn.GIF(1, **pattern.parameters)
    brainstate.nn.init_all_states(neuron)

    def step(current):
        spike = neuron(current)
        return spike[0], neuron.V.value[0], neuron.V_th.value[0]

    current = pattern.current(dt)
    return current, *brainstate.transform.jit(
        lambda: brainstate.transform.for_loop(step, current)
    )()


figure, axes = plt.subplots(10, 2, figsize=(10, 18), layout="constrained")
counts = {}
for ax, name in zip(axes.flat, brainscale.nn.FIRING_PATTERNS, strict=True):
    current, spikes, V, V_th = run(name)
    spikes, V, V_th = np.asarray(spikes), V.to(u.mV).mantissa, V_th.to(u.mV).mantissa
    counts[name] = int((spikes > 0).sum())
    times = np.arange(len(spikes)) * 0.1
    ax.plot(times, V_th, color="C1", linewidth=0.8)
    ax.plot(times, np.where(spikes > 0, 20.0, V), color="0.2", linewidth=0.8)
    drive = current.to(u.nA).mantissa
    peak = np.abs(drive).max()
    ax.plot(times, -115 + 15 * drive / peak, color="C0", linewidth=0.8)
    ax.set(title=f"{name}, {peak:.3g} nA", ylim=(-135, 25), yticks=[-70, -30], ylabel="V (mV)")
for ax in axes[-1]:
    ax.set(xlabel="time (ms)")
plt.show()

# %% [markdown] lang="en"
# Dark the potential, with a line up to 20 mV for a spike; orange the threshold; blue the current,
# each to its own scale, with its largest value in the title. How often each fires:

# %% [markdown] lang="zh"
# 深色是膜电位，脉冲画到 20 mV；橙色是阈值；蓝色是电流，各图按自己的比例，
# 最大值写在标题里。各自的发放次数：

# %%
for name, count in counts.items():
    print(f"{name:28} {count}")

# %% [markdown] lang="en"
# They are how often a run that finds each spike's exact time fires, too.

# %% [markdown] lang="zh"
# 这与逐个求解精确发放时刻的计算所得次数相同。

# %%
by_events = [9, 1, 10, 5, 3, 1, 1, 7, 1, 14, 3, 13, 24, 7, 7, 19, 1, 25, 3, 1]
assert list(counts.values()) == by_events
