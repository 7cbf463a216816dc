"""What people do without OSCAR HOST: read the same file and write a Delta table.

Started as a process of its own by bench.py. Prints the seconds of the work alone, without the
start of Python and its imports: that favours the peer.
"""

import sys
import time


def write(reader: str, kind: str, source: str, target: str) -> None:
    """Reads with pyarrow or DuckDB, writes with the Delta library."""
    from deltalake import write_deltalake

    start = time.monotonic()
    write_deltalake(target, batches(reader, kind, source), mode="overwrite")
    print(time.monotonic() - start)


def batches(reader: str, kind: str, source: str):
    """The file as a stream of record batches."""
    if reader == "pyarrow":
        import pyarrow.csv
        import pyarrow.json

        if kind == "csv":
            import pyarrow

            text = {name: pyarrow.string() for name in ("cpr", "municipality", "hospital")}
            convert = pyarrow.csv.ConvertOptions(column_types=text)
            return pyarrow.csv.open_csv(source, convert_options=convert)
        return pyarrow.json.open_json(source)
    import duckdb

    function = "read_csv" if kind == "csv" else "read_json"
    types = "{cpr: 'VARCHAR', sex: 'VARCHAR', municipality: 'VARCHAR', hospital: 'VARCHAR', diagnosis: 'VARCHAR', "
    types += "admitted: 'DATE', bed_days: 'BIGINT', cost: 'DOUBLE'}"
    extra = "format = 'newline_delimited'," if kind != "csv" else ""
    relation = duckdb.sql(f"SELECT * FROM {function}('{source}', {extra} columns = {types})")
    return relation.to_arrow_reader(65536)


if __name__ == "__main__":
    write(*sys.argv[1:])
