# Figures and tables: each is a function of the tidy tables of its view. What there is stands in the registry.
from gtp.provenance import code_imported_by
from gtp.report.registry import CLAIMS, FIGURES, ORACLE_FIGURES, ORACLE_TABLES, PRINTED_TABLES, of_study


def script_of(kind, product):
    """Path of the script of a figure or table."""
    return f"workflow/scripts/{product.script or f'{kind}_{product.name}'}.py"


def figures_of(view, names):
    """The files of some figures of a view."""
    return expand("<figures>/{view}/{name}.{format}", view=view, name=names, format=["pdf", "png", "svg"])


def films_of(view, names):
    """The film of a view that has the figure of rollouts."""
    return expand("<figures>/{view}/rollouts.gif", view=view) if "rollouts" in names else []


def tables_of(view, names):
    """The files of some tables of a view."""
    return expand("<tables>/{view}/{name}.{format}", view=view, name=names, format=["md", "tex", "csv"])


def tables_if_there(product):
    """Input function: further tables that a figure or table takes where its view has them."""

    def files(wildcards):
        folder = Path("results", wildcards.view)
        if wildcards.view in VIEWS:
            # Of trials only scores are wanted.
            return (
                [] if RECORD.tunes else [f"<results>/{wildcards.view}/{table}.csv" for table in product.more]
            )
        return [str(folder / f"{table}.csv") for table in product.more if (folder / f"{table}.csv").exists()]

    return files


def products_of_ablation(view):
    """Figures and tables that compare the methods of an ablation's view."""
    figures, tables = ([p.name for p in kind if p.of_ablations] for kind in (FIGURES, PRINTED_TABLES))
    return figures_of(view, figures) + tables_of(view, tables)


def read_reference(name):
    """Record of a committed reference, and the names of its tables; a damaged one ends the program with one line."""
    folder = Path("results/reference", name)
    try:
        return read_study(folder / "study.json"), {path.stem for path in folder.glob("*.csv")}
    except UserError as error:
        sys.exit(f"error: {error}")


def products_of_references(wildcards):
    """Input function: the figures and tables of every committed reference, as far as its tables allow."""
    files = []
    for name in REFERENCES:
        view = f"reference/{name}"
        record, available = read_reference(name)
        figures = of_study(FIGURES, record, available)
        files += figures_of(view, figures) + films_of(view, figures)
        files += tables_of(view, of_study(PRINTED_TABLES, record, available))
    return files


def products_of_oracle(view):
    """The figures and tables of known answers, or of their committed reference, as far as its tables allow."""
    figures, tables = (
        [
            product.name
            for product in kind
            if view == "oracle"
            or all(Path(f"results/{view}/{table}.csv").exists() for table in product.tables)
        ]
        for kind in (ORACLE_FIGURES, ORACLE_TABLES)
    )
    return figures_of(view, figures) + tables_of(view, tables)


for product in (*FIGURES, *ORACLE_FIGURES):

    rule:
        name:
            f"figure_{product.name}"
        input:
            **{table: f"<results>/{{view}}/{table}.csv" for table in product.tables},
            **product.files,
            more=tables_if_there(product),
            study=f"<results>/{{view}}/{product.record}",
        output:
            pdf=f"<figures>/{{view}}/{product.name}.pdf",
            png=report(
                f"<figures>/{{view}}/{product.name}.png",
                caption="../report/product.rst",
                category="Figures",
                subcategory="{view}",
                labels={"figure": product.label},
            ),
            # The last: drawing it lays the figure out anew, and the others stay as they were without it.
            svg=f"<figures>/{{view}}/{product.name}.svg",
        log:
            f"<logs>/{{view}}/figure_{product.name}.log",
        benchmark:
            f"<benchmarks>/{{view}}/figure_{product.name}.tsv"
        localrule: True
        conda:
            "../../environment.yml"
        params:
            **product.options,
            caption=product.caption,
            script=script_of("figure", product),
            code=code_imported_by(script_of("figure", product)),
        message:
            "drawing {output.pdf}"
        script:
            "../../{params.script}"


FILM_SCRIPT = "workflow/scripts/film_rollouts.py"


rule film_rollouts:
    input:
        **{table: f"<results>/{{view}}/{table}.csv" for table in ["rollouts", "mazes", "scores"]},
        study="<results>/{view}/study.json",
    output:
        "<figures>/{view}/rollouts.gif",
    log:
        "<logs>/{view}/film_rollouts.log",
    benchmark:
        "<benchmarks>/{view}/film_rollouts.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    params:
        code=code_imported_by(FILM_SCRIPT),
    message:
        "drawing {output}"
    script:
        "../scripts/film_rollouts.py"


for product in (*PRINTED_TABLES, *ORACLE_TABLES):

    rule:
        name:
            f"table_{product.name}"
        input:
            **{table: f"<results>/{{view}}/{table}.csv" for table in product.tables},
            **product.files,
            more=tables_if_there(product),
            study=f"<results>/{{view}}/{product.record}",
        output:
            md=f"<tables>/{{view}}/{product.name}.md",
            tex=f"<tables>/{{view}}/{product.name}.tex",
            csv=report(
                f"<tables>/{{view}}/{product.name}.csv",
                caption="../report/product.rst",
                category="Tables",
                subcategory="{view}",
                labels={"table": product.label},
            ),
        log:
            f"<logs>/{{view}}/table_{product.name}.log",
        benchmark:
            f"<benchmarks>/{{view}}/table_{product.name}.tsv"
        localrule: True
        conda:
            "../../environment.yml"
        params:
            **product.options,
            caption=product.caption,
            script=script_of("table", product),
            code=code_imported_by(script_of("table", product)),
        message:
            "writing {output.md}"
        script:
            "../../{params.script}"
