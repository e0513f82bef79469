"""Bars: stacked from the bottom, as high as the highest, with their sums."""

from gateway.web.dashboard.charts import Kind, Part, stacked

KINDS: tuple[Kind, ...] = (("ok", "fine", "good"), ("no", "failed", "bad"))


def test_bars_are_stacked_and_the_highest_fills_the_chart() -> None:
    chart = stacked("Calls", KINDS, [{"ok": 3, "no": 1}, {}, {"ok": 1}], since=0, width=60_000)
    assert chart.most == 4
    assert chart.bars[0].parts == (Part("good", 25.0, 75.0), Part("bad", 0.0, 25.0))
    assert chart.bars[1].parts == ()
    assert chart.bars[2].parts == (Part("good", 75.0, 25.0),)
    assert [bar.begins.minute for bar in chart.bars] == [0, 1, 2]
    assert [(each.name, each.total) for each in chart.series] == [("fine", 4), ("failed", 1)]


def test_nothing_is_a_chart_too() -> None:
    chart = stacked("Calls", KINDS, [{}, {}], since=0, width=60_000)
    assert (chart.most, [bar.parts for bar in chart.bars]) == (0, [(), ()])


def test_what_is_not_asked_for_is_not_counted() -> None:
    assert stacked("Calls", KINDS, [{"other": 5, "ok": 1}], since=0, width=1).most == 1
