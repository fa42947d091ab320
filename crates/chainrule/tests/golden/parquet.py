"""Writes files/*.parquet, which the tests read: a table beside its CSV, and tables that are refused. Needs pyarrow; run in
this folder."""
import datetime
import decimal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

n = 7
table = pa.table({
    "length": pa.array([0.1, 2.5, None, -3e-7, 1e20, float("nan"), 6.0], pa.float64()),
    "width": pa.array([1.5, -2.0, 3.25, 0.1, 5.0, 6.0, 7.0], pa.float32()),
    "legs": pa.array([4, 6, 8, 2, 100, 0, -1], pa.int8()),
    "hairs": pa.array([0, 4294967295, 3, None, 5, 6, 7], pa.uint32()),
    "steps": pa.array([2**40, 2, 3, 4, 5, 6, 7], pa.int64()),
    "tame": pa.array([True, False, None, True, False, True, True]),
    "price": pa.array([decimal.Decimal("1.25"), decimal.Decimal("-0.50"), None] + [decimal.Decimal("3.00")] * 4,
                      pa.decimal128(9, 2)),
    "colour": pa.array(["red", "blue", "red", None, "grün, hell", "blue", "red"]).dictionary_encode(),
    "kind": pa.array(["cat", "ant", "bee", "bird", "cat", "bee", "cat"]),
    "__index_level_0__": pa.array(range(n)),
})
# Decimals as integers, which the format allows and Spark writes.
pq.write_table(table, "files/table.parquet", row_group_size=4, compression="snappy", store_decimal_as_integer=True)
plain = table.drop_columns(["__index_level_0__"])
plain = plain.set_column(5, "tame", plain["tame"].cast(pa.int8()))
plain = plain.set_column(7, "colour", plain["colour"].cast(pa.string()))
pyarrow.csv.write_csv(plain, "files/table.csv")

answers = pa.array(["a", "b"])
refused = {
    "zstd": (pa.table({"x": [1.0, 2.0], "y": answers}), "zstd"),
    "date": (pa.table({"when": [datetime.datetime(2020, 1, 1)] * 2, "y": answers}), "none"),
    "list": (pa.table({"pixels": [[1, 2], [3]], "y": answers}), "none"),
    "bytes": (pa.table({"x": pa.array([b"ok", b"\xff\xfe"], pa.binary()), "y": answers}), "none"),
}
for name, (table, compression) in refused.items():
    pq.write_table(table, f"files/{name}.parquet", compression=compression)
