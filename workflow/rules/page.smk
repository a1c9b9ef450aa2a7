# The page of a study: everything that it says, in one HTML file that loads nothing.
from gtp.report.registry import FIGURES, PRINTED_TABLES, of_study

PAGE_SCRIPT = "workflow/scripts/study_page.py"
PAGE_TEMPLATES = sorted(map(str, Path("gtp/report/page/templates").iterdir()))
PAGES_IN_DOCS = [name for name in ["quick"] if name in REFERENCES]
"""Committed references whose page is part of the documentation."""


def contents_of_page(view):
    """Named inputs of the page of a view: every file that it shows or links to."""
    record, available = (
        (RECORD, None) if view == STUDY.study else read_reference(view.removeprefix("reference/"))
    )
    products = [
        [p for p in kind if p.name in of_study(kind, record, available)] for kind in (FIGURES, PRINTED_TABLES)
    ]
    # A table that one of them only takes where it is there, as the claims' ledger does, belongs to the page too.
    needed = {table for kind in products for product in kind for table in product.tables}
    taken = {table for kind in products for product in kind for table in product.more}
    tables = needed | (taken & available if available is not None else set() if record.tunes else taken)
    return {
        "figures": figures_of(view, [product.name for product in products[0]]),
        "tables": tables_of(view, [product.name for product in products[1]]),
        "results": [f"<results>/{view}/{table}.csv" for table in TABLES if table in tables],
        "study": f"<results>/{view}/study.json",
        "provenance": f"<results>/{view}/provenance.json",
        # What a reference cannot test, another may.
        "best": "<tables>/reference/claims.csv" if view.startswith("reference/") else [],
    }


def contents_of_wildcard(wildcards):
    """Input function: `contents_of_page` of the view in the name of the page."""
    return contents_of_page(wildcards.view)


def contents_of_reference(wildcards):
    """Input function: `contents_of_page` of the reference in the name of the page."""
    return contents_of_page(f"reference/{wildcards.reference}")


rule study_provenance:
    input:
        tables=lambda wildcards: [
            *contents_of_page(STUDY.study)["results"],
            f"<results>/{STUDY.study}/study.json",
        ],
    output:
        "<results>/<study>/provenance.json",
    log:
        "<logs>/<study>/study_provenance.log",
    benchmark:
        "<benchmarks>/<study>/study_provenance.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    params:
        study=STUDY.study,
        configuration=[*STUDY_FILES, METHODS_FILE, TASKS_FILE, TRIALS_FILE],
        datasets=sorted({PLAN.dataset_id(task) for task in STUDY.tasks}),
    message:
        "recording where {output} comes from"
    script:
        "../scripts/study_provenance.py"


rule study_page:
    input:
        unpack(contents_of_wildcard),
        claims=CLAIMS,
        templates=PAGE_TEMPLATES,
    output:
        "report/{view}/index.html",
    log:
        "<logs>/{view}/study_page.log",
    benchmark:
        "<benchmarks>/{view}/study_page.tsv"
    wildcard_constraints:
        view=one_of([STUDY.study, *(f"reference/{name}" for name in REFERENCES)]),
    localrule: True
    conda:
        "../../environment.yml"
    params:
        view=lambda wildcards: wildcards.view,
        code=code_imported_by(PAGE_SCRIPT),
    message:
        "writing {output}"
    script:
        "../scripts/study_page.py"


use rule study_page as reference_page with:
    input:
        unpack(contents_of_reference),
        claims=CLAIMS,
        templates=PAGE_TEMPLATES,
    output:
        "docs/report-{reference}.html",
    log:
        "<logs>/reference/{reference}/reference_page.log",
    benchmark:
        "<benchmarks>/reference/{reference}/reference_page.tsv"
    wildcard_constraints:
        reference=one_of(PAGES_IN_DOCS),
    params:
        view=lambda wildcards: f"reference/{wildcards.reference}",
        code=code_imported_by(PAGE_SCRIPT),


rule page:
    input:
        "report/<study>/index.html",
    localrule: True
