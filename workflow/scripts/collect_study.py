"""Write what figures and tables need to know of a study beside the numbers."""

import json

from gtp.files import write_text

if __name__ == "__main__":
    write_text(snakemake.output[0], json.dumps(snakemake.params.record, indent=2) + "\n")
