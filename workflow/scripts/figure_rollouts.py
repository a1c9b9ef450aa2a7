"""Figure: paths of the trained policies through the mazes."""

from gtp.errors import ending_in_one_line
from gtp.report.results import read_results, read_study
from gtp.report.rollouts import draw
from gtp.report.statistics import read_seed_scores
from gtp.report.style import save_figure

if __name__ == "__main__":
    with ending_in_one_line():
        study = read_study(snakemake.input.study)
        files = snakemake.input.rollouts, snakemake.input.mazes
        scores = read_seed_scores(snakemake.input.scores, "scores", study)
        figure = draw(
            read_results(files[0], "rollouts"), read_results(files[1], "mazes"), scores, study, files
        )
        save_figure(figure, *snakemake.output)
