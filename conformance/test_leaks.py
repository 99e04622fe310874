"""The suite's own watch: what it counts at its end is what its clouds hold, and nobody else's."""

from support import leaks
from support.cloud import Cloud, until


def test_a_cloud_is_seen_while_it_runs_and_gone_when_it_ends(new_cloud, tmp_path):
    instances = leaks.Instances()
    before = instances.look()
    cloud = new_cloud(data_dir=tmp_path / "data")
    (own,) = instances.look() - before
    held = leaks.cgroups({own})
    assert held and all(entry.endswith(f"/haar-{own}") for entry in held)
    assert any(f"spawnd {tmp_path}/data/run {own}" in entry for entry in leaks.processes())
    cloud.stop()
    until(lambda: leaks.reap() or instances.look(), lambda seen: own not in seen)
    until(lambda: leaks.cgroups({own}), lambda left: not left)
    instances.stop()


def test_what_others_hold_is_not_counted(tmp_path):
    assert leaks.cgroups({"0" * 8}) == set()
    assert leaks.mounts(tmp_path) == set()
    assert isinstance(Cloud.watch(), set)
