"""What people read in a terminal is all there, and its heads tell the columns apart."""

from rich.console import Console

from pipeline.evaluation.tables import weeks_table

MODELS = (
    "release",
    "popular 30d",
    "frequency",
    "frequency 30d",
    "frequency 90d",
    "implicit ALS",
    "implicit item-kNN",
    "TIFU-KNN",
    "UP-CF@r",
)


def report(weeks: int):
    metrics = {model: {"ndcg@20": 0.2841 + number / 100} for number, model in enumerate(MODELS)}
    week = {"models": metrics, "best_baseline": "TIFU-KNN", "users": 1304, "seconds": 95.2}
    return {
        "weeks": [{**week, "judged": [f"2017-{month:02}-23", f"2017-{month:02}-29"]} for month in range(1, weeks + 1)],
        "means": metrics,
        "best_baseline": "TIFU-KNN",
        "ratio": {"ndcg@20": 1.072},
        "release": {"ndcg@20": [0.2841, 0.27, 0.29]},
        "difference": {"ndcg@20": [0.02, 0.01, 0.03]},
    }


def printed(weeks: int, width: int) -> str:
    console = Console(width=width)
    with console.capture() as seen:
        console.print(weeks_table(report(weeks)))
    return seen.get()


def test_ten_weeks_of_all_baselines_fit_into_150_columns_and_four_into_80() -> None:
    for weeks, width in ((10, 150), (4, 80)):
        text = printed(weeks, width)
        assert [line.split("│")[1].strip() for line in text.splitlines() if "│ " in line][: len(MODELS)] == list(MODELS)
        heads = next(line for line in text.splitlines() if "judged" in line).replace("┃", " ").split()
        assert heads == ["judged", *(f"{month:02}-29" for month in range(1, weeks + 1)), "mean"]
        assert text.count("0.2841") == weeks + 1 + 1  # each week, the mean, and below
        assert f"{0.2841 / 0.3541:.3f}" in text
