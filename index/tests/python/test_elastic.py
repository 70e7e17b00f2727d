"""The search door through the official client. HAILSTREAM_SEARCH_ENDPOINT names a running door."""

import os
import uuid

import pytest
from elasticsearch import ConflictError, Elasticsearch, NotFoundError, RequestError, helpers

MAPPING = {"mappings": {"properties": {
    "location": {"type": "geo_point"}, "timestamp": {"type": "date"}, "airport_code": {"type": "keyword"},
    "trip_count": {"type": "long"}, "minutes": {"type": "double"}}}}
HOUR_MS = 3_600_000
START_MS = 1_452_038_400_000
DOCUMENTS = [
    {"location": "dr5ru6j", "timestamp": START_MS, "airport_code": "JFK", "trip_count": 2, "minutes": 40.0},
    {"location": "dr5ru6j", "timestamp": START_MS, "airport_code": "LGA", "trip_count": 3, "minutes": 20.0},
    {"location": "dr5rzjp", "timestamp": START_MS + HOUR_MS, "airport_code": "JFK", "trip_count": 6, "minutes": 60.0},
    {"location": "dr72h8x", "timestamp": START_MS + HOUR_MS, "airport_code": "JFK", "trip_count": 4, "minutes": 50.0},
]


@pytest.fixture(scope="session")
def client():
    return Elasticsearch([os.environ["HAILSTREAM_SEARCH_ENDPOINT"]], timeout=30)


@pytest.fixture
def index(client):
    name = f"t-{uuid.uuid4().hex[:12]}"
    client.indices.create(index=name, body=MAPPING)
    actions = [{"_index": name, "_id": str(i), "_source": document} for i, document in enumerate(DOCUMENTS)]
    assert helpers.bulk(client, actions, refresh=True) == (len(DOCUMENTS), [])
    yield name
    client.indices.delete(index=name)


def test_it_says_what_it_is(client):
    assert client.info()["version"]["number"] == "7.10.2"
    assert client.ping()


def test_a_document_written_twice_is_there_once(client, index):
    answer = client.index(index=index, id="0", body=DOCUMENTS[0], refresh=True)
    assert (answer["result"], answer["_version"]) == ("updated", 2)
    assert client.count(index=index)["count"] == len(DOCUMENTS)
    assert client.get(index=index, id="0")["_source"] == DOCUMENTS[0]


def test_a_bulk_tells_of_each_item(client, index):
    lines = [{"create": {"_index": index, "_id": "0"}}, DOCUMENTS[0], {"delete": {"_index": index, "_id": "none"}},
             {"index": {"_index": index, "_id": "9"}}, {"trip_count": "many"}]
    answer = client.bulk(body=lines)
    assert answer["errors"] is True
    statuses = [next(iter(item.values()))["status"] for item in answer["items"]]
    assert statuses == [409, 404, 400]


def test_the_map_and_the_lines_of_the_dashboard(client, index):
    body = {
        "size": 0,
        "query": {"bool": {"filter": [
            {"range": {"timestamp": {"gte": START_MS, "lte": START_MS + HOUR_MS}}},
            {"geo_bounding_box": {"location": {"top": 41.0, "left": -75.0, "bottom": 40.0, "right": -73.0}}}]}},
        "aggs": {
            "cells": {"geohash_grid": {"field": "location", "precision": 5},
                      "aggs": {"trips": {"sum": {"field": "trip_count"}}}},
            "airports": {"terms": {"field": "airport_code"}, "aggs": {
                "hours": {"date_histogram": {"field": "timestamp", "fixed_interval": "1h"}, "aggs": {
                    "mean": {"weighted_avg": {"value": {"field": "minutes"}, "weight": {"field": "trip_count"}}}}}}},
        }}
    answer = client.search(index=index, body=body)["aggregations"]
    cells = {bucket["key"]: bucket["trips"]["value"] for bucket in answer["cells"]["buckets"]}
    assert cells == {"dr5ru": 5.0, "dr5rz": 6.0, "dr72h": 4.0}
    jfk = next(bucket for bucket in answer["airports"]["buckets"] if bucket["key"] == "JFK")
    means = [hour["mean"]["value"] for hour in jfk["hours"]["buckets"]]
    assert means == [40.0, pytest.approx((6 * 60 + 4 * 50) / 10)]
    assert jfk["hours"]["buckets"][1]["key_as_string"] == "2016-01-06T01:00:00.000Z"


def test_sorting_and_paging(client, index):
    body = {"sort": [{"trip_count": "desc"}], "from": 1, "size": 2, "_source": ["trip_count"]}
    hits = client.search(index=index, body=body)["hits"]
    assert [hit["_source"] for hit in hits["hits"]] == [{"trip_count": 4}, {"trip_count": 3}]
    assert hits["total"] == {"value": len(DOCUMENTS), "relation": "eq"}


def test_a_scan_gives_every_document_once(client, index):
    actions = [{"_index": index, "_id": f"more-{i}", "_source": {"trip_count": i}} for i in range(3_000)]
    helpers.bulk(client, actions, refresh=True)
    ids = [hit["_id"] for hit in helpers.scan(client, index=index, size=500)]
    assert len(ids) == len(set(ids)) == len(DOCUMENTS) + 3_000


def test_what_is_wrong_or_unknown_is_refused_by_name(client, index):
    with pytest.raises(NotFoundError) as missing:
        client.search(index="there-is-none")
    assert missing.value.error == "index_not_found_exception"
    with pytest.raises(RequestError) as unknown:
        client.search(index=index, body={"query": {"more_like_this": {"like": "x"}}})
    assert "more_like_this" in str(unknown.value.info)
    with pytest.raises(ConflictError):
        client.create(index=index, id="0", body=DOCUMENTS[0])
    with pytest.raises(NotFoundError):
        client.get(index=index, id="none")


def test_the_list_of_indices(client, index):
    listed = {row["index"]: row for row in client.cat.indices(format="json")}
    assert listed[index]["docs.count"] == str(len(DOCUMENTS))
