"""The state classes under brainstate's transformations, and with its save and restore."""

from __future__ import annotations

import copy

import brainstate
import braintools
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale

KINDS = ("single", "group", "tree")


def make(kind, leading=(), history=0):
    """A state of each kind whose leaves have these leading axes."""
    shape = (*leading, 3)
    if kind == "single":
        return brainscale.ETraceState(jnp.zeros(shape) * u.mV, history=history)
    if kind == "group":
        return brainscale.ETraceGroupState(jnp.zeros((*shape, 2)) * u.mV, history=history)
    return brainscale.ETraceTreeState(
        {"V": jnp.zeros(shape) * u.mV, "n": {"b": jnp.zeros((*shape, 2)), "a": jnp.zeros(shape)}},
        history=history,
    )


def is_quantity(x):
    return isinstance(x, u.Quantity)


def add_to(state, number):
    """Add a number to every element of a state; the unit stays."""
    state.value = jax.tree.map(
        lambda x: u.Quantity(x.mantissa + number, unit=x.unit) if is_quantity(x) else x + number,
        state.value,
        is_leaf=is_quantity,
    )


def numbers(value):
    """The leaves of a value as NumPy arrays without units."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(value)]


def assert_all(value, expected, leading=()):
    expected = np.asarray(expected, dtype=float)
    for leaf in numbers(value):
        np.testing.assert_array_equal(
            leaf,
            np.broadcast_to(
                expected.reshape(expected.shape + (1,) * (leaf.ndim - expected.ndim)), leaf.shape
            ),
        )


@pytest.mark.parametrize("history", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
class TestTransforms:
    def test_jit(self, kind, history):
        state = make(kind, history=history)
        step = brainstate.transform.jit(lambda x: add_to(state, x))
        for _ in range(3):
            step(1.0)
        assert_all(state.value, 3.0)
        if history:
            assert_all(state.history, [1.0, 2.0])

    def test_jit_that_reads_history_first(self, kind, history):
        state = make(kind, history=history)

        @brainstate.transform.jit
        def step(x):
            past = state.history if history else None
            add_to(state, x)
            return past

        for _ in range(3):
            step(1.0)
        assert_all(state.value, 3.0)
        if history:
            assert_all(state.history, [1.0, 2.0])
            assert_all(step(1.0), [1.0, 2.0])

    def test_for_loop(self, kind, history):
        state = make(kind, history=history)
        brainstate.transform.for_loop(lambda x: add_to(state, x), jnp.arange(4.0))
        assert_all(state.value, 6.0)
        if history:
            assert_all(state.history, [1.0, 3.0])

    def test_scan_inside_jit(self, kind, history):
        state = make(kind, history=history)

        def body(carry, x):
            add_to(state, x)
            return carry + x, state.num_state

        @brainstate.transform.jit
        def run(xs):
            return brainstate.transform.scan(body, 0.0, xs)

        total, _ = run(jnp.arange(4.0))
        assert total == 6.0
        assert_all(state.value, 6.0)
        if history:
            assert_all(state.history, [1.0, 3.0])

    def test_cond(self, kind, history):
        state = make(kind, history=history)

        @brainstate.transform.jit
        def run(flag):
            brainstate.transform.cond(flag, lambda: add_to(state, 1.0), lambda: None)

        run(True)
        run(False)
        assert_all(state.value, 1.0)
        if history:
            assert_all(state.history, [0.0, 0.0])

    def test_grad(self, kind, history):
        state = make(kind, history=history)
        weight = brainstate.ParamState(jnp.array(2.0))

        def loss():
            add_to(state, weight.value)
            return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(state.value))

        gradient = brainstate.transform.grad(loss, weight)()
        count = sum(leaf.size for leaf in jax.tree.leaves(state.value))
        assert float(gradient) == 4.0 * count
        assert_all(state.value, 2.0)

    def test_vmap_over_a_batched_state(self, kind, history):
        state = make(kind, leading=(4,), history=history)
        mapped = [state, state.history_state] if history else [state]
        step = brainstate.transform.vmap(
            lambda x: add_to(state, x), in_states={0: mapped}, out_states={0: mapped}
        )
        for _ in range(2):
            step(jnp.arange(4.0))
        assert_all(state.value, 2 * np.arange(4.0))
        if history:
            assert_all(state.history, [np.zeros(4), np.arange(4.0)])

    def test_vmap_new_states(self, kind, history):
        class Cell(brainstate.nn.Module):
            def init_state(self):
                self.h = make(kind, history=history)

        cell = Cell()
        brainstate.nn.vmap_init_all_states(cell, axis_size=4)
        single = make(kind)
        for leaf, one in zip(numbers(cell.h.value), numbers(single.value), strict=True):
            assert leaf.shape == (4, *one.shape)
        add_to(cell.h, 1.0)
        assert_all(cell.h.value, 1.0)
        if history:
            assert_all(cell.h.history, [0.0, 0.0])

    def test_an_error_in_a_jit_leaves_the_state(self, kind, history):
        state = make(kind, history=history)
        add_to(state, 1.0)

        @brainstate.transform.jit
        def step():
            add_to(state, 1.0)
            state.value = jnp.zeros(7)

        with pytest.raises(brainscale.BrainscaleError):
            step()
        assert_all(state.value, 1.0)
        add_to(state, 1.0)
        assert_all(state.value, 2.0)
        if history:
            assert_all(state.history, [0.0, 1.0])

    def test_a_state_left_over_from_a_jit_begins_anew(self, kind, history):
        left = []
        brainstate.transform.jit(lambda: left.append(make(kind, history=history)))()
        (state,) = left
        assert kind.capitalize() in repr(state).replace("ETraceState", "ETraceSingleState")
        with pytest.raises(brainstate.TraceContextError):
            _ = state.value
        state.value = make(kind).value
        add_to(state, 1.0)
        assert_all(state.value, 1.0)
        if history:
            assert_all(state.history, [0.0, 0.0])


@pytest.mark.parametrize("history", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
class TestSaveAndRestore:
    def model(self, kind, history):
        class Cell(brainstate.nn.Module):
            def __init__(self):
                super().__init__()
                self.h = make(kind, history=history)

            def update(self, x):
                add_to(self.h, x)

        cell = Cell()
        cell(1.0)
        cell(1.0)
        return cell

    def test_split_and_merge(self, kind, history):
        cell = self.model(kind, history)
        graph, states = brainstate.graph.treefy_split(cell)
        twins = [brainstate.graph.treefy_merge(graph, states) for _ in range(2)]
        twins[0](1.0)
        for other in (cell, twins[1]):
            assert_all(other.h.value, 2.0)
            if history:
                assert_all(other.h.history, [0.0, 1.0])
        assert_all(twins[0].h.value, 3.0)
        if history:
            assert_all(twins[0].h.history, [1.0, 2.0])

    def test_merge_then_jit(self, kind, history):
        twin = brainstate.graph.treefy_merge(
            *brainstate.graph.treefy_split(self.model(kind, history))
        )
        brainstate.transform.jit(twin)(1.0)
        assert_all(twin.h.value, 3.0)
        if history:
            assert_all(twin.h.history, [1.0, 2.0])

    def test_deepcopy_of_the_module(self, kind, history):
        cell = self.model(kind, history)
        twin = copy.deepcopy(cell)
        twin(1.0)
        assert_all(cell.h.value, 2.0)
        assert_all(twin.h.value, 3.0)
        if history:
            assert_all(cell.h.history, [0.0, 1.0])
            assert_all(twin.h.history, [1.0, 2.0])

    def test_update_from_saved_states(self, kind, history):
        cell = self.model(kind, history)
        saved = brainstate.graph.treefy_states(cell)
        cell(5.0)
        brainstate.graph.update_states(cell, saved)
        assert_all(cell.h.value, 2.0)
        if history:
            assert_all(cell.h.history, [0.0, 1.0])

    def test_values_saved_one_by_one(self, kind, history):
        cell = self.model(kind, history)
        saved = {path: state.value for path, state in cell.states().items()}
        past = cell.h.history if history else None
        cell(5.0)
        for path, state in cell.states().items():
            state.value = saved[path]
        assert_all(cell.h.value, 2.0)
        if history:
            cell.h.history = past
            assert_all(cell.h.history, [0.0, 1.0])


@pytest.mark.parametrize("kind", KINDS)
def test_checkpoint_file(kind, tmp_path):
    class Cell(brainstate.nn.Module):
        def __init__(self):
            super().__init__()
            self.h = make(kind)

    cell = Cell()
    add_to(cell.h, 1.0)
    file = str(tmp_path / "cell.msgpack")
    braintools.file.msgpack_save(file, cell.states())
    add_to(cell.h, 5.0)
    braintools.file.msgpack_load(file, target=cell.states())
    assert_all(cell.h.value, 1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_printed(kind):
    """The numbers of a short state; the shapes of a long one, and of one within a trace."""
    state, seen = make(kind), []
    add_to(state, 7.0)
    assert "7." in str(state)
    assert "mV" in str(state)
    long = make(kind, leading=(100,))
    assert "[100,3" in str(long)
    assert "0." not in str(long)
    brainstate.transform.jit(lambda x: (add_to(state, x), seen.append(str(state)))[0])(1.0)
    assert "float32[3" in seen[0]
    assert "7." not in seen[0]


def test_subclasses():
    assert issubclass(brainscale.ETraceState, brainstate.HiddenState)
    assert issubclass(brainscale.ETraceGroupState, brainscale.ETraceState)
    assert issubclass(brainscale.ETraceTreeState, brainscale.ETraceState)


class TestLeaves:
    """Values that only NumPy or JAX has."""

    def state(self):
        return brainscale.ETraceState(jnp.zeros(2) * u.mV)

    def test_masked_array(self):
        with pytest.raises(brainscale.errors.ValueTypeError):
            self.state().value = np.ma.array([1.0, 2.0], mask=[0, 1]) * u.mV

    def test_long_double(self):
        with pytest.raises(brainscale.errors.DtypeError):
            brainscale.ETraceState(np.zeros(2, np.longdouble))

    def test_overflow_of_a_known_value_inside_a_compiled_write(self):
        state = brainscale.ETraceState(jnp.zeros(2, jnp.float16) * u.mV)

        def write(value):
            state.value = value

        for value in (np.full(2, 100, np.float16), jnp.full(2, 100, jnp.float16)):
            with pytest.raises(brainscale.errors.DtypeError):
                brainstate.transform.jit(lambda value=value: write(value * u.volt))()
        np.testing.assert_array_equal(state.value.mantissa, 0)

    def test_random_key(self):
        with pytest.raises(brainscale.errors.ValueTypeError):
            brainscale.ETraceState(jax.random.key(0))

    def test_bfloat16(self):
        state = brainscale.ETraceState(jnp.zeros(2, jnp.bfloat16))
        with pytest.raises(brainscale.errors.DtypeError):
            state.value = jnp.zeros(2, jnp.float32)
        wide = self.state()
        wide.value = jnp.ones(2, jnp.bfloat16) * u.mV
        assert wide.value.dtype == jnp.float32

    def test_what_is_read_cannot_change_the_state(self):
        state = self.state()
        read = state.value
        read[0] = 99 * u.mV
        np.testing.assert_array_equal(state.value.mantissa, 0)

    def test_every_other_way_to_write(self):
        state = self.state()
        bad = jnp.zeros(3) * u.mV
        with pytest.raises(brainscale.errors.ShapeError):
            state.replace(value=bad)
        with pytest.raises(brainscale.errors.ShapeError):
            state.copy_from(brainscale.ETraceState(bad))
        with pytest.raises(brainscale.errors.StructureError):
            state.copy_from(brainscale.ETraceGroupState(state.value))
        with pytest.raises(brainscale.errors.UnitError):
            state.restore_value(jnp.zeros(2))
        assert state.replace(value=jnp.ones(2) * u.mV).value[0] == 1 * u.mV
        np.testing.assert_array_equal(state.value.mantissa, 0)

    def test_a_hook_cannot_break_the_law(self):
        state = self.state()

        def shrink(context):
            context.transformed_value = jnp.zeros(1)

        state.register_hook("write_before", shrink)
        with pytest.raises(brainscale.errors.UnitError):
            state.value = jnp.ones(2) * u.mV
        np.testing.assert_array_equal(state.value.mantissa, 0)
