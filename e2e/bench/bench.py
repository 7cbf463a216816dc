"""Ratios against the tools people use otherwise, all measured in one run on one machine."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import extract
import measure

HERE = Path(__file__).resolve().parent
WORKSPACE = HERE.parent.parent
# What the project promises (issue "The whole path on one machine").
LEAST_INTAKE_RATIO = 0.8
MOST_INTAKE_MIB = 512
OURS = "oscar intake (checked, pseudonyms)"


def main() -> int:
    options = arguments()
    oscar = options.oscar or build()
    work = Path(options.work or tempfile.mkdtemp(prefix="oscar-bench-"))
    work.mkdir(parents=True, exist_ok=True)
    size = 1_000_000_000 if options.full else options.megabytes * 1_000_000
    kept = True
    try:
        for kind in options.kinds.split(","):
            rows = extract.rows_for(work / "extracts", kind, size, options.seed)
            made = extract.make(work / "extracts", kind, rows, options.seed)
            kept &= intake(oscar, made, work, options.repeat)
    finally:
        if not options.work:
            shutil.rmtree(work, ignore_errors=True)
    return 0 if kept or not options.strict else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="e2e/bench/run", description=__doc__)
    parser.add_argument("--full", action="store_true", help="files of 1 GB each, as promised in the README")
    parser.add_argument("--megabytes", type=int, default=20, help="size of each file otherwise (default 20)")
    parser.add_argument("--kinds", default="csv,ndjson", help="which files (default csv,ndjson)")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the fastest counts (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the made-up extract (default 1)")
    parser.add_argument("--oscar", help="the `oscar` binary (default: built now)")
    parser.add_argument("--work", help="folder for files; kept and used again (default: a temporary one)")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a promise is not kept")
    return parser.parse_args()


def build() -> str:
    """The binary of the profile that the README's commands build."""
    subprocess.run(["cargo", "build", "--quiet", "--bin", "oscar"], cwd=WORKSPACE, check=True)
    metadata = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=WORKSPACE, check=True, capture_output=True
    )
    return str(Path(json.loads(metadata.stdout)["target_directory"]) / "debug" / "oscar")


def intake(oscar: str, made: extract.Extract, work: Path, repeat: int) -> bool:
    """Rows per second and peak memory of an intake beside a plain Delta write of the same file."""
    print(f"\nIntake of {made.bytes / 1e6:.0f} MB {made.kind}, {made.rows:,} rows ({os.cpu_count()} cores)")
    print(f"{'':34}{'rows/s':>12}{'CPU s':>9}{'peak MiB':>10}")
    runs = {
        "pyarrow + write_deltalake": lambda: peer_write("pyarrow", made, work),
        "duckdb + write_deltalake": lambda: peer_write("duckdb", made, work),
        OURS: lambda: oscar_intake(oscar, made, work),
    }
    # In turn, so that a machine that is slower for a while is so for everybody.
    rounds = [{name: run() for name, run in runs.items()} for _ in range(repeat)]
    best = {name: min((outcomes[name] for outcomes in rounds), key=lambda outcome: outcome[0]) for name in runs}
    for name, outcome in best.items():
        show(name, made, *outcome)
    ours = best.pop(OURS)
    fastest = min(best, key=lambda name: best[name][0])
    ratio = best[fastest][0] / ours[0]
    kept = ratio >= LEAST_INTAKE_RATIO and ours[1].peak_mib <= MOST_INTAKE_MIB
    print(f"ratio to the faster ({fastest.split()[0]}): {ratio:.2f}  (promised: at least {LEAST_INTAKE_RATIO})")
    print(f"peak memory: {ours[1].peak_mib:.0f} MiB  (promised: at most {MOST_INTAKE_MIB})")
    print("kept" if kept else "NOT KEPT")
    return kept


def peer_write(reader: str, made: extract.Extract, work: Path) -> tuple[float, measure.Cost]:
    target = work / "peer"
    shutil.rmtree(target, ignore_errors=True)
    command = [sys.executable, str(HERE / "peer.py"), reader, made.kind, str(made.file), str(target)]
    cost = measure.run(command)
    return float(cost.output), cost


def oscar_intake(oscar: str, made: extract.Extract, work: Path) -> tuple[float, measure.Cost]:
    data = work / "data"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    permit = work / "permit.yaml"
    permit.write_text(json.dumps(extract.permit()))
    command = [oscar, "--output", "json", "intake", str(made.package), "--permit", str(permit), "--data-dir", str(data)]
    cost = measure.run(command)
    stored = sum(table["rows"] for table in json.loads(cost.output)["tables"].values())
    if stored != made.rows:
        raise measure.Failed(f"{stored} of {made.rows} rows arrived")
    return cost.seconds, cost


def show(name: str, made: extract.Extract, seconds: float, cost: measure.Cost) -> None:
    print(f"{name:34}{made.rows / seconds:12,.0f}{cost.cpu_seconds:9.1f}{cost.peak_mib:10.0f}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except measure.Failed as failure:
        sys.exit(f"bench: {failure}")
