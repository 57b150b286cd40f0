"""The test track's own parts: data, measures by hand, and the command from end to end."""

import dataclasses
import json
import math
import re
import resource
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from lapdepth.cli.main import main
from lapdepth.collision.frame import FrameResult, Level
from lapdepth.collision.proving import campaign as campaigns
from lapdepth.collision.proving.campaign import Setup, campaign, choose, drive
from lapdepth.collision.proving.following import follow_ordinarily
from lapdepth.collision.proving.loop import Run, Step, run
from lapdepth.collision.proving.measures import rows
from lapdepth.collision.proving.scenarios import SCENARIOS, SIZES
from lapdepth.collision.proving.sources import ExactSource
from lapdepth.collision.proving.statistics import quantile_interval, rate_interval, share_interval
from lapdepth.collision.proving.summary import Summary, summarise
from lapdepth.collision.warner import CollisionWarner
from lapdepth.errors import InputError, OutputError, ReadError


class Says:
    """A warner that alerts from a given time on, whatever it sees."""

    def __init__(self, from_s):
        self.from_s = from_s

    def __call__(self, frame):
        level = Level.WARNING if frame.time_s >= self.from_s else Level.CLEAR
        return FrameResult(frame.time_s, level, "by the clock")


def test_scenarios_are_whole():
    assert len(SCENARIOS) > 90
    for name, one in SCENARIOS.items():
        assert one.name == name
        assert one.words
        assert one.ego_mps > 0
        assert all(actor.kind in SIZES for actor in one.actors)
        assert one.actors or not one.alarm


def test_driver_brakes_after_his_reaction():
    """T1: alert at 5.0 s with 100.5 m left; 1.2 s at 20.1 m/s and 20.1^2 / (2 x 6.867) = 29.4 m to stop leave 47 m."""
    done = run(SCENARIOS["T1"], ExactSource(), Says(5.0))
    assert done.collided_s is None
    alert = done.alert
    assert done.steps[-1].gap_m == pytest.approx(alert.gap_m - 1.2 * 20.1 - 20.1**2 / (2 * 0.7 * 9.81), abs=0.5)


def test_nobody_warned_collides_at_full_speed():
    done = run(SCENARIOS["T1"], ExactSource(), Says(math.inf))
    assert done.impact_mps == pytest.approx(20.1)
    assert done.collided_s == pytest.approx(10.0, abs=0.02)
    summary = summarise(done)
    assert (summary.alerts, summary.alert_s, summary.ttc_s) == (0, None, None)


def test_lead_brakes_as_told():
    done = run(SCENARIOS["T2"], ExactSource(), Says(math.inf))
    after = next(step for step in done.steps if step.time_s >= 7.0)
    since = after.time_s - 5.0
    assert after.gap_m == pytest.approx(30 - 0.5 * 0.3 * 9.81 * since**2, abs=0.05)
    assert after.lead_mps == pytest.approx(20.1 - 0.3 * 9.81 * since, abs=0.05)


def summary(**known):
    empty = Summary("T1", 0, 0, None, None, None, None, None)
    return dataclasses.replace(empty, **known)


def test_rows_by_hand():
    runs = [
        summary(seed=0, alerts=1, alert_s=7.0, ttc_s=3.0, ttc_braking_s=3.0, range_errors=(0.01, 0.03)),
        summary(
            seed=1, alerts=1, alert_s=8.5, ttc_s=1.5, ttc_braking_s=1.5, collided_s=9.4, impact_mps=3.0, range_errors=(0.02,)
        ),
        summary(scenario="CCRb-12m-6", alerts=1, alert_s=5.9, ttc_s=4.0, ttc_braking_s=2.0),
        summary(scenario="plate", alerts=0),
        summary(scenario="following", alerts=2),
    ]
    found = {(row.scenario, row.measure.split(",")[0].split(":")[-1].strip()): row for row in rows(runs, "exact")}
    assert found["T1", "alert at TTC >= 2.1 s"].result == 0.5
    assert found["T1", "alert at TTC >= 2.1 s"].passed is False
    assert found["CCRb12-hard", "s from the lead's onset to the alert"].result == pytest.approx(0.9)
    assert found["CCRb12-hard", "s from the lead's onset to the alert"].passed is False
    assert found["plate", "share of 1 runs with a false alert"].passed is True
    assert found["following", "alerts per hour"].result == pytest.approx(20)
    assert found["all of these", "collision without an alert 1 s before"].result == pytest.approx(1 / 3, abs=1e-3)
    assert found["all of these", "median relative error of range of 5 to 40 m"].result == 0.02
    noisy = {row.measure.split(",")[0]: row for row in rows(runs, "noisy")}
    assert noisy["s from the lead's onset to the alert"].passed is True


@pytest.mark.parametrize(
    ("depth", "scenario", "count", "asked"),
    [
        ("exact", "T1", 49, 50),
        ("noisy", "CCRm-30", 550, 550),  # of the whole group: 50 of each of its 11 scenarios
        ("noisy", "CCRm-30", 50, 550),
        ("exact", "plate", 50, 100),
        ("noisy", "following", 199, 200),  # 20 hours
        ("model", "T1", 7, 14),
        ("folder", "CCRs-15-+50", 14, 14),
        ("model", "plate", 13, 14),
        ("model", "following", 5, 5),  # 30 minutes
    ],
)
def test_a_row_on_too_few_runs_says_so_first(depth, scenario, count, asked):
    good = summary(scenario=scenario, alert_s=7.0, ttc_s=3.0, ttc_braking_s=3.0, range_errors=(0.01,))
    found = rows([dataclasses.replace(good, seed=seed) for seed in range(count)], depth)
    assert found
    for row in found:
        assert (row.runs, row.runs_asked, row.enough) == (count, asked, count >= asked)
        few = f"too few runs, {count} of {asked} asked for: "
        assert row.verdict.removeprefix(few).split()[0] in ("met", "reported")
        assert row.verdict.startswith(few) == (count < asked)


def test_all_rows_together_ask_for_as_many_runs_as_their_groups():
    runs = [summary(scenario=name, seed=seed) for name in ("T1", "T2") for seed in range(50)]
    (row,) = [row for row in rows(runs, "exact") if row.scenario == "all of these"]
    assert (row.runs, row.runs_asked) == (100, 100)


def test_an_alert_before_the_onset_fails():
    runs = [summary(scenario="CCRb-12m-2", alerts=1, alert_s=4.0, ttc_s=None, ttc_braking_s=None)]
    assert [row.passed for row in rows(runs, "exact") if row.scenario == "CCRb12-soft"] == [False]


def test_true_time_with_a_braking_lead():
    """36 m apart, both at 15 m/s, the lead brakes with 6 m/s2: it stands after 2.5 s and 18.75 m, (36 + 18.75) / 15 s."""
    step = Step(5.0, 36.0, 0.0, 15.0, -6.0, FrameResult(5.0, Level.WARNING, ""))
    got = summarise(Run("T2", 0, 1.0, (step,)))
    assert got.ttc_s is None
    assert got.ttc_braking_s == pytest.approx(54.75 / 15)


def test_errors_are_net_of_the_scale():
    """1.1 times the distance from the camera, which is 1.5 m behind the front."""
    result = FrameResult(1.0, Level.CLEAR, "", range_m=1.1 * 21.5 - 1.5, ttc_s=2.2)
    got = summarise(Run("T1", 0, 1.1, (Step(1.0, 20.0, 10.0, 0.0, 0.0, result),)))
    assert got.range_errors == (0,)
    assert got.ttc_errors == (0.1,)


def test_intervals():
    assert share_interval(50, 100) == pytest.approx((0.404, 0.596), abs=0.001)
    assert share_interval(7, 7)[1] == 1
    assert rate_interval(0, 20) == pytest.approx((0, 0.15))
    assert rate_interval(10, 1) == pytest.approx((4.79, 18.39), abs=0.05)  # exact Poisson
    assert quantile_interval(list(range(100)), 0.5) == (40, 60)


def test_choose():
    assert choose("T1, T3") == ["T1", "T3"]
    assert choose("CCRb40-hard") == ["CCRb-40m-6"]
    assert len(choose("CCRs")) == 12 * 5
    assert choose("all")[-1] == "following"
    for wrong in ("T9", "", ","):
        with pytest.raises(InputError):
            choose(wrong)


def test_summary_survives_json():
    kept = drive(Setup("exact"), ("plate", 0))
    assert kept.trace
    assert Summary.from_json(kept.to_json()) == kept


def test_following_raises_no_alert():
    assert follow_ordinarily(ExactSource(1), CollisionWarner(), 1, duration_s=20.0).steps == ()


def test_campaign_goes_on_after_an_interruption(tmp_path):
    log = tmp_path / "runs.jsonl"
    log.write_text(summary(scenario="plate", seed=0, alerts=7).to_json() + "\n" + '{"scenario": "pla')
    done = list(campaign(["plate"], Setup("exact"), 1, log, 1))
    assert [one.alerts for one in done] == [7]  # not driven again
    assert log.read_text().count("\n") == 1
    log.write_text("not JSON\n")
    with pytest.raises(ReadError, match="remove it"):
        list(campaign(["plate"], Setup("exact"), 1, log, 1))


def test_runs_of_two_models_or_folders_are_not_taken_for_each_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a/maps", "b/maps", "a_1", "a-1"):
        (tmp_path / name).mkdir(parents=True)
    labels = [Setup("folder", folder=Path(name)).label for name in ("a/maps", "b/maps", "a_1", "a-1")]
    labels += [Setup("model", model).label for model in ("default", "open", "a_1", "a-1", "模型甲", "模型乙", "me/net", "me_net")]
    assert len(set(labels)) == len(labels)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", label) for label in labels)
    assert Setup("model", "default").label == "model-default"
    assert Setup("folder", folder=tmp_path / "a" / ".." / "a" / "maps").label == labels[0]


class Ended:
    """A pool one of whose processes is ended by the system."""

    def __init__(self, *_):
        pass

    def submit(self, *_):
        future = Future()
        future.set_exception(BrokenProcessPool())
        return future

    def shutdown(self, **_):
        pass


def test_a_process_that_is_ended_is_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr(campaigns, "ProcessPoolExecutor", Ended)
    with pytest.raises(OutputError, match="use fewer --workers"):
        list(campaign(["plate"], Setup("exact"), 1, tmp_path / "runs.jsonl", 1))


def test_a_log_on_a_full_disk_is_told_of(tmp_path, monkeypatch):
    class Driven(Ended):
        def submit(self, *_):
            future = Future()
            future.set_result(summary(scenario="plate", seed=0, alerts=7))
            return future

    monkeypatch.setattr(campaigns, "ProcessPoolExecutor", Driven)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*runs\.jsonl: File too large; the same command goes on"):
            list(campaign(["plate"], Setup("exact"), 1, tmp_path / "runs.jsonl", 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_command(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "new" / "report"
    monkeypatch.setattr(
        "sys.argv", ["lapdepth", "track", "--scenarios", "T3", "--seeds", "1", "--report", str(folder), "--workers", "1"]
    )
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    data = json.loads((folder / "report.json").read_text())
    assert {"scenario", "measure", "target", "result", "interval", "passed", "runs", "runs_asked"} == set(data["rows"][0])
    assert data["rows"][0]["passed"] is True
    page = (folder / "report.html").read_text()
    assert page.count("<svg class='plot'") == 2
    assert "not a certified safety system" in page
    assert "http:" not in page
    assert "https:" not in page
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("T3")
    assert all("too few runs, 1 of 50 asked for: met so far" in line for line in shown)
    assert page.count("too few runs, 1 of 50 asked for: met so far") == len(shown)
    assert "<td class=yes>" not in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--depth", "sonar"], "expected one of exact, noisy"), (["--scenarios", "T9"], "no scenario is called 'T9'")],
)
def test_command_says_what_is_wrong(arguments, message, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["lapdepth", "track", "--report", str(tmp_path), *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert message in str(stop.value.code)
