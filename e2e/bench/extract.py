"""A register extract of any size: hospital contacts, the same bytes for the same size and seed.

Rows are made by DuckDB from hashes of their number, so a gigabyte takes seconds. Person numbers
are date-valid and made up (born 1940 to 1999, serial numbers of the 1900s); contacts per person,
diagnoses and costs are skewed as in a real register.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import duckdb

ROWS_PER_PERSON = 20
DATASET = "bench"
TABLE = "contact"

# One random number in [0, 1) per row and column.
RANDOM = "(hash(i * 16 + {column} + {seed} * 1000003) / 18446744073709551616.0)"


@dataclass(frozen=True)
class Extract:
    """One data file with its package."""

    folder: Path
    file: Path
    kind: str
    rows: int

    @property
    def package(self) -> Path:
        return self.folder / "datapackage.json"

    @property
    def bytes(self) -> int:
        return self.file.stat().st_size


def select(rows: int, seed: int) -> str:
    """The rows as SQL."""

    def random(column: int) -> str:
        return RANDOM.format(column=column, seed=seed)

    persons = max(rows // ROWS_PER_PERSON, 1)
    return f"""
    WITH numbered AS (
        SELECT i, CAST(floor({persons} * power({random(0)}, 1.6)) AS BIGINT) AS p FROM range({rows}) t(i)
    )
    SELECT
        printf('%02d%02d%02d%04d', 1 + p % 28, 1 + (p // 28) % 12, 40 + (p // 336) % 60, (p // 20160) % 4000) AS cpr,
        CASE WHEN p % 2 = 0 THEN 'F' ELSE 'M' END AS sex,
        printf('%03d', 101 + CAST(floor(98 * power({random(1)}, 2)) AS INTEGER)) AS municipality,
        printf('%04d', 1000 + CAST(floor(60 * {random(2)}) AS INTEGER)) AS hospital,
        printf('DE%03d', CAST(floor(1000 * power({random(3)}, 3)) AS INTEGER)) AS diagnosis,
        DATE '2010-01-01' + CAST(floor(5000 * {random(4)}) AS INTEGER) AS admitted,
        CAST(floor(30 * power({random(5)}, 4)) AS INTEGER) AS bed_days,
        round(200 + 90000 * power({random(6)}, 5), 2) AS cost
    FROM numbered
    """


def make(folder: Path, kind: str, rows: int, seed: int) -> Extract:
    """Writes the data file (`csv` or `ndjson`) and its package; an existing one is used again."""
    folder = folder / f"{kind}-{rows}-{seed}"
    extract = Extract(folder, folder / f"contact.{kind}", kind, rows)
    if extract.package.exists():
        return extract
    folder.mkdir(parents=True, exist_ok=True)
    form = "FORMAT csv, HEADER" if kind == "csv" else "FORMAT json"
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = true")
        connection.execute(f"COPY ({select(rows, seed)}) TO '{extract.file}' ({form})")
    extract.package.write_text(json.dumps(descriptor(extract), indent=2))
    return extract


def rows_for(folder: Path, kind: str, size: int, seed: int) -> int:
    """How many rows make a file of about `size` bytes."""
    sample = make(folder, kind, 20_000, seed)
    return max(int(size / (sample.bytes / sample.rows)), 1)


def descriptor(extract: Extract) -> dict:
    digest = hashlib.sha256()
    with extract.file.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    required = {"required": True}
    fields = [
        {"name": "cpr", "type": "string", "constraints": required, "oscar": {"name": "person_id"}},
        {"name": "sex", "type": "string", "constraints": required},
        {"name": "municipality", "type": "string", "constraints": {"required": True, "pattern": "[0-9]{3}"}},
        {"name": "hospital", "type": "string", "constraints": required},
        {"name": "diagnosis", "type": "string", "constraints": required},
        {"name": "admitted", "type": "date", "constraints": required},
        {"name": "bed_days", "type": "integer", "constraints": {"required": True, "minimum": 0, "maximum": 365}},
        {"name": "cost", "type": "number", "constraints": {"required": True, "minimum": 0}},
    ]
    return {
        "name": DATASET,
        "title": "Hospital contacts (made up)",
        "oscar": {"dataset": DATASET, "profile": "sds", "holder": "Benchmark", "delivery": "full"},
        "resources": [
            {
                "name": TABLE,
                "path": extract.file.name,
                "format": extract.kind,
                "encoding": "utf-8",
                "hash": f"sha256:{digest.hexdigest()}",
                "bytes": extract.bytes,
                "schema": {"fields": fields},
                "oscar": {
                    "table": TABLE,
                    "kind": "persons",
                    "personKey": "cpr",
                    "personKeyKind": "cpr",
                    "rows": extract.rows,
                    "codes": {"sex": {"F": "women", "M": "men"}},
                },
            }
        ],
    }


def permit() -> dict:
    """A permit for the dataset."""
    return {
        "id": "BENCH-0001",
        "tenant": "bench",
        "authority": "Nobody",
        "legalBasis": "made-up data",
        "purpose": ["benchmark"],
        "persons": [{"issuer": "https://issuer.invalid", "subject": "bench", "role": "analyst"}],
        "datasets": [{"dataset": DATASET, "tables": [{"table": TABLE}]}],
        "profile": "sds",
        "validFrom": "2020-01-01T00:00:00Z",
        "validUntil": "2100-01-01T00:00:00Z",
    }
