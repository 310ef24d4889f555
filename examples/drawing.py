"""Pictures of the examples: a regression over time; learning, and the memory that it takes."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

INK, FIT = "#222222", "#0072b2"
GIB = 2**30
NEAR_YEARS = 4  # of the record, in the picture of where the forecast begins


def draw_regression(path, x, y, residual, times, mean, deviation):
    """Writes the observations y at x, mean and two standard deviations at `times`, and the residuals at x.

    x and times are calendar years; y, residual, mean and deviation are in ppm.
    """
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    panels = figure.subplot_mosaic([["whole", "whole"], ["near", "left"]], height_ratios=(3, 2))
    end = x[-1]
    for name in ("whole", "near"):
        axes = panels[name]
        band = (mean - 2 * deviation, mean + 2 * deviation)
        label = "± 2 standard deviations of an observation"
        axes.fill_between(times, *band, color=FIT, alpha=0.3, linewidth=0, label=label)
        label = "Gaussian-process regression and forecast"
        axes.plot(times, mean, color=FIT, linewidth=1.1, label=label, zorder=3)
        label = f"{len(x):,} weekly observations"
        axes.plot(x, y, ".", color=INK, alpha=0.6, markersize=2 if name == "whole" else 4, label=label)
        axes.axvline(end, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set(xlabel="Year", ylabel="CO₂ in dry air (ppm)")
        axes.grid(alpha=0.25)
    whole, near, left = panels.values()
    whole.set_title(f"CO₂ at Mauna Loa, and a forecast of {times[-1] - end:.0f} years")
    whole.set_xlim(times[0] - 0.5, times[-1] + 0.5)
    handles, labels = whole.get_legend_handles_labels()
    whole.legend(handles[::-1], labels[::-1], loc="upper left", frameon=False, markerscale=4)
    low, high = whole.get_ylim()
    whole.text(end + 0.4, low + 0.04 * (high - low), "forecast", color=INK)
    near.set_title("Where the forecast begins")
    shown = (times > end - NEAR_YEARS) & (times < end + NEAR_YEARS)
    near.set_xlim(end - NEAR_YEARS, end + NEAR_YEARS)
    near.set_ylim((mean - 2 * deviation)[shown].min() - 1, (mean + 2 * deviation)[shown].max() + 1)
    near.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.plot(x, residual, ".", color=INK, markersize=1.5)
    left.axhline(0, color=FIT, linewidth=0.9)
    left.set_title(f"Residuals: standard deviation {residual.std():.2f} ppm")
    left.set(xlabel="Year", ylabel="Observed − regression (ppm)", xlim=(x[0] - 0.5, end + 0.5))
    left.grid(alpha=0.25)
    figure.savefig(path, dpi=120)


def draw_learning(path, losses, watch, data_bytes, limit_bytes):
    """Writes the loss of each iteration, and the memory of the workers in `watch` beside data and limit."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2, 3))
    left.plot(range(1, len(losses) + 1), losses, ".-", color=FIT)
    left.set(xlabel="Iteration of L-BFGS-B", ylabel="Loss", title="Learning")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    for number, looks in enumerate(watch.resident.values()):
        label = f"worker {number}: {max(looks) / GIB:.2f} GiB at most"
        right.plot(watch.seconds, [size / GIB for size in looks], linewidth=0.9, label=label)
    right.axhline(limit_bytes / GIB, color=INK, linewidth=1, linestyle="--", label="limit of a worker")
    right.axhline(data_bytes / GIB, color="#d55e00", linewidth=1.5, label="the data")
    right.set(xlabel="Seconds", ylabel="Memory (GiB)", title="Workers and data")
    right.set_ylim(0, 1.25 * max(limit_bytes, data_bytes) / GIB)
    right.legend(frameon=False, loc="upper right", ncols=2)
    for axes in (left, right):
        axes.grid(alpha=0.25)
    figure.savefig(path, dpi=120)
