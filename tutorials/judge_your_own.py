# %% [markdown] lang="en"
# # Judge your own implementation
#
# A neuron written from SPEC.md alone, in forty lines of NumPy, is held against the law clause by
# clause. It has one fault; the judge names the clause, shows the numbers, and how to call them up
# again.

# %% [markdown] lang="zh"
# # 评判你自己的实现
#
# 只看 SPEC.md，用四十行 NumPy 写一个神经元，再用规范逐条评判它。
# 其中有一处错误：评判程序会指出是哪一条，给出数值，并说明怎样重现。

# %%
import contextlib
import io

import numpy as np
from scipy.linalg import expm

from conformance import cli
from conformance.again import call_test
from conformance.protocol.implementation import Value

# %% [markdown] lang="en"
# **The neuron** is the GIF neuron of chapter 6. Between spikes it is linear, so that a step is a
# matrix exponential (GIF-3 and GIF-4); then it compares (GIF-7), and is reset (GIF-8). What the
# judge hands over is arrays with the name of a unit; only R has another one here than is wanted.

# %% [markdown] lang="zh"
# **神经元**是第 6 章的 GIF 神经元。在两次脉冲之间它是线性的，所以一步就是一个矩阵指数
# （GIF-3、GIF-4）；随后比较（GIF-7），并重置（GIF-8）。
# 评判程序交来的是带单位名称的数组；在这里只有 R 的单位需要换算。

# %%
UNITS = {"tau": "ms", "R": "ohm", "k1": "ms^-1", "k2": "ms^-1", "a": "ms^-1", "b": "ms^-1"}
UNITS |= {"V_rest": "mV", "V_reset": "mV", "V_th_inf": "mV", "V_th_reset": "mV"}
UNITS |= {"R1": None, "R2": None, "A1": "nA", "A2": "nA"}
NUMBERS = [20.0, 100.0, 0.1, 0.05, 0.1, 0.02, -70.0, -80.0, -50.0, -60.0, 0.9, 0.8, 10.0, 5.0]
SCALES = {"ohm": 1e-6}  # In Mohm, which times nA is mV.
DEFAULTS = {name: Value(np.array(x), UNITS[name]) for name, x in zip(UNITS, NUMBERS, strict=True)}


def number(value):
    return value.array * SCALES.get(value.unit, 1.0)


def propagator(tau, R, k1, k2, a, b, dt):
    """How the state after a step depends on the state before it, and on the current."""
    M = np.zeros((5, 5))  # I1, I2, V − V_rest, V_th − V_th_inf and the current, which is constant.
    M[0, 0], M[1, 1], M[2, 2], M[3, 2], M[3, 3] = -k1, -k2, -1 / tau, a, -b
    M[2, [0, 1, 4]] = R / tau
    return expm(M * dt)[:4]


class Neuron:
    name = "my neuron"
    capabilities = frozenset({"gif"})
    precision = 64

    def gif_defaults(self):
        return DEFAULTS

    def gif_step(self, size, parameters, state, current, dt, *, method="exact", form="states"):
        assert method == "exact"
        values = {name: number(value) for name, value in (DEFAULTS | dict(parameters)).items()}
        shape = state["V"].array.shape
        p = {name: np.broadcast_to(x, shape) for name, x in values.items()}
        rest = np.stack([0 * p["A1"], 0 * p["A2"], p["V_rest"], p["V_th_inf"]])
        before = np.stack([state[name].array for name in ("I1", "I2", "V", "V_th")])
        u = np.concatenate([before - rest, np.broadcast_to(current.array, shape)[None]])
        after = np.empty_like(before)
        for i in np.ndindex(shape):
            rates = [p[name][i] for name in ("tau", "R", "k1", "k2", "a", "b")]
            after[:, *i] = propagator(*rates, dt.array) @ u[:, *i]
        I1, I2, V, V_th = after + rest
        spikes = self.compare(V, V_th)
        I1 = np.where(spikes, p["R1"] * I1 + p["A1"], I1)
        I2 = np.where(spikes, p["R2"] * I2 + p["A2"], I2)
        V_th = np.where(spikes, np.maximum(V_th, p["V_th_reset"]), V_th)
        V = np.where(spikes, p["V_reset"], V)
        state = {"I1": Value(I1, "nA"), "I2": Value(I2, "nA")}
        return state | {"V": Value(V, "mV"), "V_th": Value(V_th, "mV")}, spikes

    def compare(self, V, V_th):
        return V >= V_th


def implementation(precision):
    return Neuron()


# %% [markdown] lang="en"
# **Judge it.** In a shell this is `brainscale-judge --implementation=adapter:implementation
# --clause=GIF-3,...`, with the class in `adapter.py`; the same command can be called from Python.
# What is not written, such as `gif_run`, would fail its clauses alone.

# %% [markdown] lang="zh"
# **评判。** 在命令行里是 `brainscale-judge --implementation=adapter:implementation
# --clause=GIF-3,...`，类放在 `adapter.py` 中；同一个命令也可以在 Python 中调用。
# 没有写的方法，例如 `gif_run`，只会使它自己的条款不通过。

# %%
CLAUSES = "GIF-3,GIF-4,GIF-7,GIF-8"


def judge(name):
    """What the judge says, and its exit status."""
    said = io.StringIO()
    options = ["--color=no", "-q", "-rN", "--tb=short", "--disable-warnings"]
    with contextlib.redirect_stdout(said):
        status = cli.main([f"--implementation={name}", f"--clause={CLAUSES}", *options])
    return said.getvalue(), status


said, status = judge("__main__:implementation")
print(said)
assert status == 1
assert "[GIF-7] failed: test_equality_is_no_spike\n" in said
assert said.count("] failed: ") == 1

# %% [markdown] lang="en"
# **Read it.** Three clauses are passed, with errors of some hundredths of what rounding may do.
# GIF-7 is not: twelve neurons whose potential *meets* the threshold fire, and the clause says
# *strictly*. Below is the same call from Python, where a debugger may step into it.

# %% [markdown] lang="zh"
# **读懂结果。** 三条条款通过，误差只有舍入所允许的百分之几。GIF-7 没有通过：
# 十二个神经元的膜电位恰好*等于*阈值，却发放了脉冲，而条款写的是*严格*大于。
# 下面从 Python 重现同一次调用，可以用调试器单步进入。

# %%
test = "conformance.chapters.gif.test_gif_step:test_equality_is_no_spike"
try:
    call_test(test, "__main__:implementation", 64, 0)
except AssertionError as error:
    print(str(error).partition("\n")[0])
else:
    raise AssertionError("the fault is not seen")

# %% [markdown] lang="en"
# **Mend it**, and judge again.

# %% [markdown] lang="zh"
# **改正**，再评判一次。


# %%
class Mended(Neuron):
    def compare(self, V, V_th):
        return V > V_th


def mended(precision):
    return Mended()


said, status = judge("__main__:mended")
print(*said.splitlines()[-4:], sep="\n")
assert status == 0

# %% [markdown] lang="en"
# So it passes what it was asked. It *conforms* when it passes all clauses of what it claims, with
# all methods, in the profile `full`. [Judge your own](../judge-your-own.md) has the rest: claims,
# verdicts, known failures, and programs in other languages.

# %% [markdown] lang="zh"
# 问到的条款都通过了。只有实现了全部方法，并在 `full` 下通过所声明内容的全部条款，才算*符合*规范。
# 其余见[评判你自己的实现](../judge-your-own.md)：
# 声明、评判结果、已知的失败，以及用其他语言写的程序。
