"""Peers: ranks, means and quantiles among households, over all buckets on few columns.

A round computes the peers that need only earlier rounds. Its input is a view with the groups' keys (`base`: period
and span of days, or the as-of day), and its output one file per bucket with the household's results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis

from features.engines.duckdb import Engine
from features.indicators import definition as d
from features.indicators.compilation import EXACT, guarded, value
from features.indicators.definition import Attribute, Expression
from features.indicators.structure import level, walk

if TYPE_CHECKING:
    from features.cells import Batch

CHUNK_ROWS = 3_000_000
"""Rows whose ranks are made at once; groups never cross an as-of day or a period, so any cut between them is right."""
EMPTY = "empty.parquet"


def key_column(key: Expression, columns: Mapping[Expression, Any], table: Any) -> Any:
    """A key of peers: an attribute as it stands, or the value of an expression."""
    if isinstance(key, Attribute) and not key.equals:
        return table[attribute_column(key.name)]
    return value(key, columns)


def reported(expression: Expression, columns: Mapping[Expression, Any], table: Any) -> Any:
    """Whether any series that a period-level expression reads is reported in the period; true on day level.

    Without this an expression that has a value where nothing is reported (`is_missing`, `first_of`) would depend on
    which other series happen to be read.
    """
    series = [node for node in walk(expression) if isinstance(node, d.Series)] if level(expression) == "period" else []
    there = [columns[node].notnull() for node in dict.fromkeys(series)]
    return reduce(lambda a, b: a | b, there) if there else table[table.columns[0]].notnull()


def attribute_column(name: str) -> str:
    """Column of an attribute: `area:county` is `a_area__county`."""
    return f"a_{name.replace(':', '__')}"


def write_round(
    batch: Batch,
    table: Any,
    nodes: Sequence[Expression],
    columns: Callable[[Any], Mapping[Expression, Any]],
    base: Sequence[str],
    identity: Sequence[str],
    names: Mapping[Expression, str],
    folder: Path,
) -> None:
    """Computes `nodes` over `table` and writes them by bucket: identity columns and one column per node.

    Args:
        columns: expressions of the table's columns, by what they stand for.
        base: columns that delimit groups in any case; the first one is what chunks are cut by.
        identity: columns that identify a row, `bucket` first.
    """
    folder.mkdir()
    engine, named = batch.engine, folder.name
    stage = folder.with_suffix(".parquet")
    batch.write_once(
        (named, "narrow"),
        {"table": table},
        lambda given: _narrow(given["table"], nodes, columns(given["table"]), base, identity),
        stage,
    )
    sums = {}
    for ix, node in enumerate(nodes):
        if isinstance(node, d.PeerMean):
            sums[f"sums_{ix}"] = [folder.with_name(f"{named}-{ix}.parquet")]
            batch.write_once(
                (named, "sums", ix),
                {"narrow": [stage]},
                lambda given, ix=ix, node=node: _sums(given["narrow"], ix, node, base),  # type: ignore[misc]
                sums[f"sums_{ix}"][0],
            )
    narrow = engine.read_parquet([stage])
    chunks = _chunks(engine, narrow, base[0])
    for number, (first, last) in enumerate(chunks):
        chunk = [stage] if len(chunks) == 1 else narrow.filter(narrow[base[0]].between(first, last))
        part = folder.with_name(f"{named}-result.parquet")
        given = {"chunk": chunk, **sums}
        batch.write_once((named, "result"), given, lambda given: _results(given, nodes, base, identity, names), part)
        target, source = (str(path).replace("'", "''") for path in (folder, part))
        engine.sql(
            f"COPY (SELECT * FROM read_parquet('{source}')) TO '{target}' (FORMAT parquet, COMPRESSION lz4_raw, "
            f"PARTITION_BY (bucket), FILENAME_PATTERN 'part{number}_{{i}}', OVERWRITE_OR_IGNORE)"
        )
        part.unlink()
    _write_empty(engine, narrow.select(*identity, *[ibis.null("float64").name(names[node]) for node in nodes]), folder)
    stage.unlink()


def _write_empty(engine: Engine, results: Any, folder: Path) -> None:
    """What a bucket without any row of the round reads, so that every bucket has the same columns."""
    engine.write(results.drop("bucket").limit(0), folder / EMPTY)


def round_files(folder: Path, bucket: int) -> list[Path]:
    """Files of a bucket's results of a round."""
    return sorted((folder / f"bucket={bucket}").glob("*.parquet")) or [folder / EMPTY]


def _narrow(
    table: Any, nodes: Sequence[Any], columns: Mapping[Expression, Any], base: Sequence[str], identity: Sequence[str]
) -> Any:
    chosen = {
        name: table[name] for name in dict.fromkeys((*identity, *base, *(("hi",) if "hi" in table.columns else ())))
    }
    for ix, node in enumerate(nodes):
        chosen[f"x{ix}"] = value(node.of, columns).cast("float64")
        chosen[f"r{ix}"] = reported(node, columns, table)
        for place, key in enumerate(node.by):
            chosen[f"k{ix}_{place}"] = key_column(key, columns, table)
    return table.select(**chosen)


def _chunks(engine: Engine, narrow: Any, cut: str) -> list[tuple[int, int]]:
    """Ranges of the cutting column with a bounded number of rows each."""
    counts = engine.frame(narrow.group_by(cut).agg(n=narrow.count()).order_by(cut))
    found: list[tuple[int, int]] = []
    rows = 0
    for place, n in zip(counts[cut], counts["n"], strict=True):
        if not found or rows + n > CHUNK_ROWS:
            found.append((int(place), int(place)))
            rows = 0
        found[-1] = (found[-1][0], int(place))
        rows += int(n)
    return found


def _results(
    given: Mapping[str, Any],
    nodes: Sequence[Any],
    base: Sequence[str],
    identity: Sequence[str],
    names: Mapping[Expression, str],
) -> Any:
    """Ranks as windows; the others as groups, all joined back in one chain, for a chain is compiled as one."""
    chunk = given["chunk"]
    ranks = {names[node]: _rank(chunk, ix, node, base) for ix, node in enumerate(nodes) if isinstance(node, d.Rank)}
    result = joined = chunk.mutate(**ranks)
    grouped = [(ix, node) for ix, node in enumerate(nodes) if not isinstance(node, d.Rank)]
    for ix, node in grouped:
        groups = given.get(f"sums_{ix}")
        groups = _groups(chunk, ix, node, base) if groups is None else groups
        keys = _keys(ix, node, base)
        groups = groups.rename({f"{column}_of_{ix}": column for column in groups.columns})
        joined = joined.left_join(groups, [result[key] == groups[f"{key}_of_{ix}"] for key in keys])
    said = {names[node]: _said(joined, ix, node) for ix, node in grouped}
    return joined.mutate(**said).select(*identity, *[names[node] for node in nodes])


def _there(table: Any, ix: int, node: Any) -> Any:
    """Rows that are peers at all: the value and every key are there, and something was reported."""
    keys = [table[f"k{ix}_{place}"].notnull() for place in range(len(node.by))]
    return reduce(lambda a, b: a & b, keys, table[f"x{ix}"].notnull() & table[f"r{ix}"])


def _rank(chunk: Any, ix: int, node: d.Rank, base: Sequence[str]) -> Any:
    there = _there(chunk, ix, node)
    keys = [*base, there, *[chunk[f"k{ix}_{place}"] for place in range(len(node.by))]]
    ordered = ibis.window(group_by=keys, order_by=chunk[f"x{ix}"])
    size = chunk.count().over(ibis.window(group_by=keys)).cast("float64")
    below = ibis.rank().over(ordered).cast("float64")
    return guarded(there, (below / size + ibis.cume_dist().over(ordered)) / 2)


def _keys(ix: int, node: Any, base: Sequence[str]) -> list[str]:
    return [*base, *[f"k{ix}_{place}" for place in range(len(node.by))]]


def _said(joined: Any, ix: int, node: Any) -> Any:
    """What the household's group says, from the group's columns beside the household's."""
    if isinstance(node, d.PeerMean):
        found = _mean(joined, ix, node)
    else:
        found = guarded(joined[f"size_of_{ix}"] >= getattr(node, "least", 1), joined[f"found_of_{ix}"])
    return guarded(joined[f"r{ix}"], found)


def _groups(chunk: Any, ix: int, node: Any, base: Sequence[str]) -> Any:
    """What each group of peers says: an extreme or quantile, and its size."""
    there = chunk.filter(_there(chunk, ix, node))
    x = there[f"x{ix}"]
    if isinstance(node, d.PeerQuantile):
        found = x.quantile(node.q)
    else:
        found = x.max() if isinstance(node, d.PeerMaximum) else x.min()
    return there.group_by(_keys(ix, node, base)).agg(found=found, size=there.count())


def _mean(joined: Any, ix: int, node: d.PeerMean) -> Any:
    total, size = (joined[f"{name}_of_{ix}"].cast("float64") for name in ("total", "size"))
    if node.leave_out:
        total = total - ibis.coalesce(joined[f"x{ix}"], 0.0)
        size = size - joined[f"x{ix}"].notnull().cast("float64")
    smoothed = total
    if node.smooth:
        smoothed += node.smooth * joined[f"all_total_of_{ix}"].cast("float64") / joined[f"all_size_of_{ix}"]
    return guarded((size >= node.least) & (size > 0), smoothed / (size + node.smooth))


def _sums(narrow: Any, ix: int, node: d.PeerMean, base: Sequence[str]) -> Any:
    """Sum and number of the peers of each group, pooled over periods where asked, and of all peers together."""
    keys = _keys(ix, node, base)
    there = narrow.filter(_there(narrow, ix, node))
    total, size = there[f"x{ix}"].cast(EXACT).sum(), there.count()
    if node.periods > 1:
        known = there.group_by(keys).agg(total=total, size=size, hi=there.hi.max())
        sums = _pooled(known, narrow.select("p", "lo").distinct(), keys, node.periods)
    else:
        sums = there.group_by(keys).agg(total=total, size=size)
    if not node.smooth:
        return sums
    whole = sums.group_by(list(base)).agg(all_total=sums.total.sum(), all_size=sums["size"].sum())
    return sums.join(whole, list(base))


def _pooled(known: Any, places: Any, keys: Sequence[str], periods: int) -> Any:
    """Groups of the periods up to each period, as they were known on that span of days."""
    known = known.rename(earlier="p", known_lo="lo")
    joined = places.join(known, [known.earlier <= places.p, known.earlier > places.p - periods])
    joined = joined.filter((joined.known_lo <= joined.lo) & (joined.lo < joined.hi))
    return joined.group_by(list(keys)).agg(total=joined.total.sum(), size=joined["size"].sum())
