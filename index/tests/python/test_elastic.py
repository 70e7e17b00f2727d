"""The search door as the official Python clients see it.

The endpoint is taken from HAILSTREAM_SEARCH_ENDPOINT; where it is not set, the example server `search_door` is built
and started. Run with elasticsearch-py 7.13.4 and with 7.17.12.
"""

import os
import subprocess
import tempfile
import uuid

import pytest
from elasticsearch import ConflictError, Elasticsearch, NotFoundError, RequestError, helpers

MAPPING = {
    "properties": {
        "location": {"type": "geo_point"},
        "timestamp": {"type": "date"},
        "pickup_count": {"type": "long"},
        "airport_code": {"type": "keyword"},
        "avg": {"type": "double"},
    }
}


@pytest.fixture(scope="session")
def endpoint():
    given = os.environ.get("HAILSTREAM_SEARCH_ENDPOINT")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        command = ["cargo", "run", "-q", "-p", "index", "--example", "search_door", "--", folder]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()
            server.wait(timeout=30)


@pytest.fixture
def es(endpoint):
    return Elasticsearch([endpoint], retry_on_timeout=False, max_retries=0)


@pytest.fixture
def index(es):
    name = f"ix-py-{uuid.uuid4().hex[:12]}"
    es.indices.create(index=name, body={"mappings": MAPPING})
    yield name
    es.indices.delete(index=name, ignore=[404])


def trips(index, count):
    for n in range(count):
        yield {
            "_index": index,
            "_id": f"t{n}",
            "_source": {
                "location": "dr5ru63" if n % 2 else {"lat": 40.64, "lon": -73.78},
                "timestamp": 1452063600000 + n * 60_000,
                "pickup_count": n,
                "airport_code": ["JFK", "LGA"][n % 2],
                "avg": n / 4,
            },
        }


def test_the_client_accepts_the_server(es):
    info = es.info()
    assert info["version"]["number"] == "7.10.2"
    assert info["version"]["build_flavor"] == "default"
    assert info["tagline"] == "You Know, for Search"
    assert es.ping()
    assert es.cluster.health()["status"] == "green"


def test_indices(es, index):
    assert es.indices.exists(index=index)
    assert not es.indices.exists(index=index + "-none")
    assert es.indices.get_mapping(index=index)[index]["mappings"] == MAPPING
    assert es.indices.get(index=index)[index]["mappings"] == MAPPING
    assert es.indices.get_settings(index=index)[index]["settings"]["index"]["provided_name"] == index
    with pytest.raises(RequestError) as error:
        es.indices.create(index=index)
    assert error.value.error == "resource_already_exists_exception"
    with pytest.raises(NotFoundError) as error:
        es.indices.delete(index=index + "-none")
    assert error.value.error == "index_not_found_exception"
    rows = es.cat.indices(index=index, format="json")
    assert [(row["index"], row["docs.count"]) for row in rows] == [(index, "0")]
    assert index in es.cat.indices(h="index")


def test_documents(es, index):
    answer = es.index(index=index, id="a b/c", body={"pickup_count": 1}, refresh=True)
    assert (answer["result"], answer["_version"], answer["forced_refresh"]) == ("created", 1, True)
    assert es.index(index=index, id="a b/c", body={"pickup_count": 2})["result"] == "updated"
    assert es.get(index=index, id="a b/c")["_source"] == {"pickup_count": 2}
    with pytest.raises(ConflictError):
        es.create(index=index, id="a b/c", body={})
    assert es.update(index=index, id="a b/c", body={"doc": {"avg": 1.5}})["result"] == "updated"
    assert es.update(index=index, id="a b/c", body={"doc": {"avg": 1.5}})["result"] == "noop"
    assert es.get_source(index=index, id="a b/c") == {"pickup_count": 2, "avg": 1.5}
    generated = es.index(index=index, body={"pickup_count": 3})["_id"]
    assert len(generated) == 20 and es.exists(index=index, id=generated)
    assert es.delete(index=index, id="a b/c")["result"] == "deleted"
    with pytest.raises(NotFoundError) as error:
        es.get(index=index, id="a b/c")
    assert error.value.info["found"] is False


def test_bulk_and_its_errors(es, index):
    assert helpers.bulk(es, trips(index, 1_000), refresh="wait_for") == (1_000, [])
    assert es.count(index=index)["count"] == 1_000
    assert helpers.bulk(es, trips(index, 1_000), refresh=True) == (1_000, []), "writing twice changes nothing"
    assert es.count(index=index)["count"] == 1_000
    actions = [{"_index": index, "_id": "x", "pickup_count": "ten"}, {"_index": index, "_id": "y", "pickup_count": 10}]
    with pytest.raises(helpers.BulkIndexError) as error:
        helpers.bulk(es, actions)
    assert error.value.errors[0]["index"]["error"]["type"] == "mapper_parsing_exception"
    upserts = [{"_op_type": "update", "_index": index, "_id": "u", "doc": {"pickup_count": 5}, "doc_as_upsert": True}] * 2
    assert helpers.bulk(es, upserts) == (2, [])
    deleted = [{"_op_type": "delete", "_index": index, "_id": "u"}]
    assert helpers.bulk(es, deleted) == (1, [])


def test_search(es, index):
    helpers.bulk(es, trips(index, 100), refresh=True)
    body = {
        "query": {"bool": {"filter": [{"term": {"airport_code": "JFK"}}, {"range": {"pickup_count": {"gte": 50}}}]}},
        "sort": [{"timestamp": "desc"}],
        "size": 3,
        "_source": ["pickup_count"],
    }
    hits = es.search(index=index, body=body)["hits"]
    assert hits["total"] == {"value": 25, "relation": "eq"}
    assert [hit["_source"] for hit in hits["hits"]] == [{"pickup_count": n} for n in (98, 96, 94)]
    assert hits["hits"][0]["sort"] == [1452063600000 + 98 * 60_000]
    box = {"location": {"top_left": {"lat": 40.7, "lon": -73.9}, "bottom_right": {"lat": 40.6, "lon": -73.7}}}
    assert es.count(index=index, body={"query": {"geo_bounding_box": box}})["count"] == 50
    assert es.count(index=index, body={"query": {"ids": {"values": ["t1", "t2", "none"]}}})["count"] == 2
    assert es.count(index=index, body={"query": {"exists": {"field": "avg"}}})["count"] == 100
    day = {"range": {"timestamp": {"gte": "2016-01-06||/d", "lt": "2016-01-07"}}}
    assert es.count(index=index, body={"query": day})["count"] == 100


def test_the_aggregations_of_the_dashboard(es, index):
    helpers.bulk(es, trips(index, 120), refresh=True)
    body = {
        "size": 0,
        "aggs": {
            "cells": {
                "geohash_grid": {"field": "location", "precision": 6},
                "aggs": {"pickups": {"sum": {"field": "pickup_count"}}},
            },
            "tiles": {"geotile_grid": {"field": "location", "precision": 10}},
            "airports": {
                "terms": {"field": "airport_code"},
                "aggs": {
                    "hours": {
                        "date_histogram": {"field": "timestamp", "fixed_interval": "1h"},
                        "aggs": {
                            "mean": {
                                "weighted_avg": {"value": {"field": "avg"}, "weight": {"field": "pickup_count"}}
                            }
                        },
                    }
                },
            },
            "middle": {"percentiles": {"field": "pickup_count", "percents": [50]}},
            "codes": {"cardinality": {"field": "airport_code"}},
            "all": {"value_count": {"field": "pickup_count"}},
            "first": {"min": {"field": "timestamp"}},
            "last": {"max": {"field": "timestamp"}},
            "average": {"avg": {"field": "avg"}},
        },
    }
    found = es.search(index=index, body=body)["aggregations"]
    cells = {b["key"]: (b["doc_count"], b["pickups"]["value"]) for b in found["cells"]["buckets"]}
    assert cells == {"dr5ru6": (60, sum(range(1, 120, 2))), "dr5x1n": (60, sum(range(0, 120, 2)))}
    assert sum(b["doc_count"] for b in found["tiles"]["buckets"]) == 120
    lines = {b["key"]: b["hours"]["buckets"] for b in found["airports"]["buckets"]}
    assert [b["doc_count"] for b in lines["JFK"]] == [30, 30]
    even = range(0, 60, 2)
    assert lines["JFK"][0]["mean"]["value"] == pytest.approx(sum(n / 4 * n for n in even) / sum(even))
    assert found["middle"]["values"] == {"50.0": 59.5}
    assert (found["codes"]["value"], found["all"]["value"]) == (2, 120)
    assert found["first"]["value_as_string"] == "2016-01-06T07:00:00.000Z"
    assert found["last"]["value"] == 1452063600000 + 119 * 60_000
    assert found["average"]["value"] == pytest.approx(119 / 8)


def test_scan_gives_every_document_once(es, index):
    helpers.bulk(es, trips(index, 2_345), refresh=True)
    found = [hit["_id"] for hit in helpers.scan(es, index=index, size=100, query={"query": {"match_all": {}}})]
    assert len(found) == 2_345 and set(found) == {f"t{n}" for n in range(2_345)}
    ordered = helpers.scan(
        es, index=index, size=500, query={"sort": [{"pickup_count": "desc"}]}, preserve_order=True
    )
    assert [hit["_source"]["pickup_count"] for hit in ordered] == list(range(2_344, -1, -1))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"query": {"nothing": {}}}, "parsing_exception"),
        ({"query": {"match": {"airport_code": "JFK"}}}, "parsing_exception"),
        ({"aggs": {"a": {"nothing": {}}}}, "parsing_exception"),
        ({"colour": 1}, "parsing_exception"),
        ({"aggs": {"a": {"sum": {"field": "pickup_count", "colour": 1}}}}, "x_content_parse_exception"),
        ({"sort": ["nothing"]}, "search_phase_execution_exception"),
        ({"suggest": {}}, "parsing_exception"),
    ],
)
def test_what_is_unknown_is_refused_by_name(es, index, body, kind):
    with pytest.raises(RequestError) as error:
        es.search(index=index, body=body)
    assert error.value.error == kind
    named = next(iter(body)) if "colour" in body or "suggest" in body else ""
    assert named in str(error.value.info)


def test_unknown_parameters_are_refused_by_name(es, index):
    with pytest.raises(RequestError) as error:
        es.search(index=index, params={"colour": "red"})
    assert "unrecognized parameter: [colour]" in error.value.info["error"]["reason"]


def test_new_fields_are_guessed(es, index):
    es.index(index=index, body={"s": "text", "n": 1, "d": 1.5, "b": True, "t": "2016-01-06"}, refresh=True)
    found = es.indices.get_mapping(index=index)[index]["mappings"]["properties"]
    assert found["s"] == {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
    assert [found[name]["type"] for name in ("n", "d", "b", "t")] == ["long", "float", "boolean", "date"]
    assert es.count(index=index, body={"query": {"term": {"s.keyword": "text"}}})["count"] == 1
